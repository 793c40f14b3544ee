package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(knownNames)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("urn:doorward:configuration:1", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("urn:doorward:configuration:1")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is a YAML node as editors see it: times are text.
func asJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return asJSON(n.Alias)
	case yaml.DocumentNode:
		return asJSON(n.Content[0])
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, asJSON(item))
		}
		return out
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return json.Number(n.Value)
	case "!!bool":
		b, _ := strconv.ParseBool(n.Value)
		return b
	case "!!null":
		return nil
	}
	return n.Value
}

func schemaAccepts(t *testing.T, schema *jsonschema.Schema, data []byte) error {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(asJSON(&doc))
}

func TestSchemaAndDecoderAgreeOnGoodFiles(t *testing.T) {
	schema := compiledSchema(t)
	good, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(good) < 2 {
		t.Fatalf("got %v, %v, want the good files", good, err)
	}
	for _, file := range good {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemaAccepts(t, schema, data); err != nil {
			t.Errorf("%s: the schema refuses it: %v", file, err)
		}
		if _, err := Decode(file, data, knownNames); err != nil {
			t.Errorf("%s: the decoder refuses it: %v", file, err)
		}
	}
}

// schemaBad are changes of the twin that the schema sees as well as the decoder.
var schemaBad = []struct{ good, bad string }{
	{"version: 1", "version: 2"}, {"version: 1", `version: "1"`}, {"version: 1\n", ""},
	{"admin:", "admim:"}, {`listen: ":8080"`, "listen: 8080"}, {"max_body: 8MiB", "max_body: 8MB"},
	{"max_body: 8MiB", "max_body: 8388609"}, {"prefix: dw", "prefix: dw.x"}, {"replicas: 3", "replicas: 2"},
	{"url: nats://a:4222, ", ""}, {"url: nats://a:4222", "url: nats://a:4222, embedded: {}"},
	{"  github:\n", "  Git:\n"}, {"provider: github", "provider: gitlab"}, {"provider: github\n", "remember: 7d\n"},
	{"tolerance: 5m", "tolerance: 5"}, {"tolerance: 5m", "tolerance: 5 minutes"}, {"id: k1", "id: 1"}, {"id: k1, ", ""},
	{`secret: "env:B"`, "secret: hunter2"}, {"2026-02-01T00:00:00Z", "2026-02-01"}, {"addresses: [10.0.0.0/8]", "addresses: []"},
	{"addresses: [10.0.0.0/8]", "addresses: [10.0.0.1]"}, {"addresses: [10.0.0.0/8]", "addresses: 10.0.0.0/8"},
	{"attempts: 100", "attempts: 101"}, {"ordered: true", "ordered: yes"}, {"concurrency: 1", "concurrency: 0"},
	{"from: [github]", "from: []"}, {"from: [github]", "start: later"}, {"http: {", "nats: { subject: x }, http: {"},
	{"with: { header: X-A }", "with: { header: 1 }"}, {"with: { header: X-A }", `with: { "a b": x }`}, {"admin: {", "admin:\n#"},
}

func TestSchemaAndDecoderAgreeOnBadFiles(t *testing.T) {
	schema := compiledSchema(t)
	if err := schemaAccepts(t, schema, []byte(twin)); err != nil {
		t.Fatalf("the schema refuses the twin: %v", err)
	}
	for _, tt := range schemaBad {
		if !strings.Contains(twin, tt.good) {
			t.Fatalf("the twin has no %q", tt.good)
		}
		bad := []byte(strings.Replace(twin, tt.good, tt.bad, 1))
		if schemaAccepts(t, schema, bad) == nil {
			t.Errorf("%q: the schema accepts it", tt.bad)
		}
		if _, err := Decode("bad", bad, knownNames); err == nil {
			t.Errorf("%q: the decoder accepts it", tt.bad)
		}
	}
}

func TestWhatTheSchemaRefusesTheDecoderRefuses(t *testing.T) {
	schema := compiledSchema(t)
	for _, tt := range refusals {
		bad := []byte(strings.Replace(twin, tt.good, tt.bad, 1))
		_, err := Decode("bad", bad, knownNames)
		if refused := schemaAccepts(t, schema, bad); refused != nil && err == nil {
			t.Errorf("%s: only the schema refuses it: %v", tt.name, refused)
		}
	}
}

func TestTheFieldsTableNamesEveryFieldAndNoOther(t *testing.T) {
	declared := map[string]reflect.Type{}
	noteFields(reflect.TypeFor[Config](), declared)
	for name := range declared {
		if fields[name].doc == "" {
			t.Errorf("%s is not in the fields table, or without a doc", name)
		}
	}
	for name := range fields {
		if declared[name] == nil {
			t.Errorf("the fields table has %s, the types don't", name)
		}
	}
}

func noteFields(of reflect.Type, declared map[string]reflect.Type) {
	if _, ok := scalarOf(of); ok {
		return
	}
	if of.Kind() != reflect.Struct {
		noteFields(of.Elem(), declared)
		return
	}
	for key, f := range keysOf(of) {
		declared[of.Name()+"."+key] = f.Type
		noteFields(f.Type, declared)
	}
}

func TestEveryKeyIsInAnExample(t *testing.T) {
	data, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	embedded := "Embedded. NATS.embedded"
	for name := range fields {
		_, key, _ := strings.Cut(name, ".")
		if !strings.Contains(string(data), key+":") && !strings.Contains(embedded, strings.TrimSuffix(name, key)) {
			t.Errorf("testdata/everything.yaml has no %s", name)
		}
	}
}
