package config

import (
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, f field) {
	if len(n.Content) == 0 && f.some != "" {
		d.failAt(n, path, f.some, "")
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := itemPath(path, i)
		d.places[at] = place{spot{item.Line, item.Column}, spot{item.Line, item.Column}}
		d.value(item, items.Index(i), at, f)
	}
	v.Set(items)
}

// names reads a mapping whose keys are names that the file makes up.
func (d *decoder) names(n *yaml.Node, v reflect.Value, path string, f field) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, path) {
		if !f.names.pattern.MatchString(e.key.Value) {
			d.fail(e.at.key, e.path, f.names.want, "")
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if d.value(e.value, value, e.path, field{blank: f.blank}) {
			v.SetMapIndex(reflect.ValueOf(e.key.Value), value)
		}
	}
}

// structure reads a mapping whose keys the fields table knows.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if _, ok := exclusive[v.Type().Name()]; ok {
		v.SetZero() // a default must not be the second choice
	}
	known := keysOf(v.Type())
	written := map[string]mapping{}
	for _, e := range d.entries(n, path) {
		if _, ok := known[e.key.Value]; !ok {
			d.unknown(e, known)
			continue
		}
		written[e.key.Value] = e
	}
	for _, key := range orderedKeys(v.Type()) {
		f, target := fields[v.Type().Name()+"."+key], v.FieldByIndex(known[key].Index)
		setDefault(f, target)
		if e, ok := written[key]; ok {
			d.value(e.value, target, e.path, f)
		} else if f.required && !(d.projected && key == "keys") {
			d.fail(d.spot(keyPath(path, key)), keyPath(path, key), "is required", "")
		}
	}
	d.exclusive(v.Type().Name(), path)
}

func (d *decoder) unknown(e mapping, known map[string]reflect.StructField) {
	hint := didYouMean(e.key.Value, slices.Sorted(maps.Keys(known)))
	if secretKey.MatchString(hint) {
		d.text.hide(e.value)
	}
	message := "unknown key"
	if e.key.Value == "<<" {
		message, hint = "merge keys are not supported", ""
	}
	d.fail(e.at.key, e.path, message, hint)
}

// exclusive checks that exactly one of two keys was written.
func (d *decoder) exclusive(typ, path string) {
	pair, ok := exclusive[typ]
	if !ok {
		return
	}
	first, second := d.has(keyPath(path, pair[0])), d.has(keyPath(path, pair[1]))
	message := "needs either " + pair[0] + " or " + pair[1]
	switch {
	case first && second:
		d.fail(d.places[keyPath(path, pair[1])].key, path, message+", not both", "")
	case !first && !second:
		d.fail(d.places[path].key, path, message, "")
	}
}
