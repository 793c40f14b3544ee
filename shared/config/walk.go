package config

import (
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

const (
	// maxNodes bounds the values read, aliases written out: a few lines of aliases can stand for billions.
	maxNodes = 500_000
	// maxProblems bounds what is reported at once.
	maxProblems = 200
)

// finding is a problem before the hidden parts of its line are known.
type finding struct {
	at                  spot
	path, message, hint string
}

// decoder walks a document and a Config side by side and goes on after each mistake.
type decoder struct {
	*origin
	problems []finding
	visited  int
}

func (d *decoder) fail(at spot, path, message, hint string) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, finding{at, path, message, hint})
	}
}

// document reads the root.
func (d *decoder) document(root *yaml.Node, c *Config) {
	d.value(root, reflect.ValueOf(c).Elem(), "", field{})
}

// value reads n into v, whose type decides what n must be, and reports whether n was of that kind.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, f field) bool {
	if n = d.followed(n, path); n == nil {
		return false
	}
	if kind, ok := scalarOf(v.Type()); ok {
		return d.scalar(n, v, kind, path, f)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(n, v.Elem(), path, f)
	}
	if v.Kind() == reflect.Slice {
		if !d.expect(n, v.Type(), yaml.SequenceNode, "a list", path) {
			return false
		}
		d.list(n, v, path, f)
		return true
	}
	if !d.expect(n, v.Type(), yaml.MappingNode, "a mapping", path) {
		return false
	}
	if v.Kind() == reflect.Map {
		d.names(n, v, path, f)
	} else {
		d.structure(n, v, path)
	}
	return true
}

// followed is n or what it is an alias of; nil when it is not to be read.
func (d *decoder) followed(n *yaml.Node, path string) *yaml.Node {
	if d.visited++; d.visited == maxNodes {
		d.fail(spot{n.Line, n.Column}, path, "aliases stand for too many values", "")
	}
	if d.visited >= maxNodes {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fail(spot{n.Line, n.Column}, path, "tags such as !!str are not supported", "")
		return nil
	}
	return n
}

// expect reports whether n is of kind, and says so if it isn't.
func (d *decoder) expect(n *yaml.Node, t reflect.Type, kind yaml.Kind, want, path string) bool {
	if n.Kind == kind {
		return true
	}
	if holdsRef(t) {
		d.text.hide(n)
	}
	got, hint := kindNames[n.ShortTag()], ""
	if got == "nothing" {
		hint = "leave the key out instead"
	}
	d.failAt(n, path, "must be "+want+", not "+got, hint)
	return false
}

// failAt points at the value of path, which for an alias is the alias and not n.
func (d *decoder) failAt(n *yaml.Node, path, message, hint string) {
	at, ok := d.places[path]
	if !ok {
		at.value = spot{n.Line, n.Column}
	}
	d.fail(at.value, path, message, hint)
}

// holdsRef reports whether a value of type t has references to secrets in it.
func holdsRef(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsRef(t.Elem())
	case reflect.Struct:
		for _, key := range keysOf(t) {
			if holdsRef(key.Type) {
				return true
			}
		}
	}
	return t == reflect.TypeFor[Ref]()
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, kind scalar, path string, f field) bool {
	tag := n.ShortTag()
	for _, want := range kind.tags {
		if n.Kind == yaml.ScalarNode && tag == want {
			return d.scalarText(n, v, path, f)
		}
	}
	if holdsRef(v.Type()) {
		d.text.hide(n)
	}
	hint := ""
	switch {
	case tag == "!!null":
		hint = "leave the key out instead"
	case n.Kind == yaml.ScalarNode && kind.tags[0] == "!!str":
		hint = "put it in quotes"
	}
	d.failAt(n, path, "must be "+kind.want+", not "+kindNames[tag], hint)
	return false
}

func (d *decoder) scalarText(n *yaml.Node, v reflect.Value, path string, f field) bool {
	message, hint := parseScalar(n.Value, v)
	if message != "" && holdsRef(v.Type()) {
		d.text.hide(n)
	}
	if message == "" {
		message, hint = f.check(n.Value, v)
	}
	if message != "" {
		v.SetZero()
		d.failAt(n, path, message, hint)
	}
	return message == ""
}

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
