package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

const (
	// maxNodes bounds the values read, aliases written out: a few lines of aliases can stand for billions.
	maxNodes = 100_000
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
	case n.Kind == yaml.ScalarNode && kind.tags[0] == "!!str" && !holdsRef(v.Type()):
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
