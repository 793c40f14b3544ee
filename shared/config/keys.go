package config

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// mapping is one key of a mapping and its value.
type mapping struct {
	key, value *yaml.Node
	path       string
	at         place
}

// entries are the keys of n, each once, with their places noted.
func (d *decoder) entries(n *yaml.Node, path string) []mapping {
	var all []mapping
	seen := map[string]spot{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := place{spot{key.Line, key.Column}, spot{value.Line, value.Column}}
		if key.Kind != yaml.ScalarNode {
			d.fail(at.key, path, "a key must be plain text", "")
			continue
		}
		e := mapping{key, value, keyPath(path, key.Value), at}
		if first, twice := seen[key.Value]; twice {
			d.fail(at.key, e.path, "duplicate key", fmt.Sprintf("first on line %d", first.line))
			continue
		}
		seen[key.Value] = at.key
		d.places[e.path] = at
		all = append(all, e)
	}
	return all
}

// keysOf are the fields of a struct by their YAML key.
func keysOf(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); f.IsExported() && key != "" && key != "-" {
			all[key] = f
		}
	}
	return all
}

// orderedKeys are the YAML keys of a struct as declared.
func orderedKeys(t reflect.Type) []string {
	var all []string
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); f.IsExported() && key != "" && key != "-" {
			all = append(all, key)
		}
	}
	return all
}
