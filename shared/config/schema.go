package config

import (
	"encoding/json"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// schema is one JSON Schema, as encoding/json writes it.
type schema map[string]any

// Schema is the JSON Schema (2020-12) of doorward.yaml, for editors and CI. Every file that it refuses
// Decode refuses too; Decode goes on to check what no schema can say.
func Schema(o Options) []byte {
	w := schemaWriter{options: o, defs: schema{}}
	root := w.structure(reflect.TypeFor[Config]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "urn:doorward:configuration:1"
	root["title"] = "doorward.yaml"
	root["$defs"] = w.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("schema of the configuration: " + err.Error()) // made of maps, lists and text alone
	}
	return append(out, '\n')
}

type schemaWriter struct {
	options Options
	defs    schema
}

// structure is the schema of a mapping that the fields table knows.
func (w schemaWriter) structure(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	known := keysOf(t)
	for _, key := range orderedKeys(t) {
		f := fields[t.Name()+"."+key]
		properties[key] = w.field(t.Name()+"."+key, known[key].Type, f)
		if f.required {
			required = append(required, key)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	if pair, ok := exclusive[t.Name()]; ok {
		s["oneOf"] = []schema{{"required": pair[:1]}, {"required": pair[1:]}}
	}
	return s
}

// field is the schema of one key: of its type, with what the fields table adds.
func (w schemaWriter) field(name string, t reflect.Type, f field) schema {
	switch {
	case name == "Verify.provider":
		f.enum = w.options.Providers
	case name == "NATS.credentials" && w.options.Identities != nil:
		f.enum = w.options.Identities
	}
	s := w.value(t, f)
	s["description"] = f.doc
	if f.def != "" {
		s["default"] = defaultOf(t, f)
	}
	return s
}

func (w schemaWriter) value(t reflect.Type, f field) schema {
	if kind, ok := scalarOf(t); ok {
		return scalarSchema(t, kind, f)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.value(t.Elem(), f)
	case reflect.Slice:
		s := schema{"type": "array", "items": w.value(t.Elem(), f)}
		if f.some != "" {
			s["minItems"] = 1
		}
		return s
	case reflect.Map:
		names := schema{"pattern": f.names.pattern.String()}
		if f.enum != nil {
			names["enum"] = f.enum
		}
		return schema{"type": "object", "propertyNames": names, "additionalProperties": w.value(t.Elem(), field{blank: f.blank})}
	}
	if _, done := w.defs[t.Name()]; !done {
		w.defs[t.Name()] = schema{}
		w.defs[t.Name()] = w.structure(t)
	}
	return schema{"$ref": "#/$defs/" + t.Name()}
}

func scalarSchema(t reflect.Type, kind scalar, f field) schema {
	s := schema{"type": kind.json}
	if len(kind.json) == 1 {
		s["type"] = kind.json[0]
	}
	pattern := f.pattern
	if pattern == nil {
		pattern = kind.pattern
	}
	if pattern != nil {
		s["pattern"] = pattern.String()
	}
	if kind.format != "" {
		s["format"] = kind.format
	}
	if kind.json[0] == "string" && t.Kind() == reflect.String {
		s["maxLength"] = maxText
		if !f.blank {
			s["minLength"] = 1
		}
	}
	limitSchema(s, t, f)
	return s
}

// limitSchema adds what can be said of plain numbers; the limits of amounts and durations are
// the decoder's alone when they are written with units.
func limitSchema(s schema, t reflect.Type, f field) {
	if f.min != "" && s["type"] != "string" {
		s["minimum"] = bound(f.min, t)
	}
	if f.max != "" && s["type"] != "string" {
		s["maximum"] = bound(f.max, t)
	}
	if len(f.enum) == 0 {
		return
	}
	values := []any{}
	for _, text := range f.enum {
		values = append(values, plain(text, s))
	}
	s["enum"] = values
}

// plain is text as the JSON value that s describes.
func plain(text string, s schema) any {
	if n, err := strconv.Atoi(text); err == nil && s["type"] == "integer" {
		return n
	}
	return text
}

func defaultOf(t reflect.Type, f field) any {
	if kind, ok := scalarOf(t); ok {
		return plain(f.def, scalarSchema(t, kind, f))
	}
	var value any
	if err := yaml.Load([]byte(f.def), &value); err != nil {
		panic("default " + f.def + " in the fields table: " + err.Error())
	}
	return value
}
