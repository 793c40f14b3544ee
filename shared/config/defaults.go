package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// setDefault writes a field's default from the fields table into v.
func setDefault(f field, v reflect.Value) {
	if f.def == "" {
		return
	}
	if _, ok := scalarOf(v.Type()); ok {
		if message, _ := parseScalar(f.def, v); message != "" {
			panic("default " + f.def + " in the fields table: " + message)
		}
		return
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	if f.def != "{}" {
		var doc yaml.Node
		if err := yaml.Load([]byte(f.def), &doc); err != nil {
			panic("default " + f.def + " in the fields table: " + err.Error())
		}
		n = doc.Content[0]
	}
	d := &decoder{origin: &origin{text: newText("default", nil), places: map[string]place{}}}
	d.value(n, v, "", f)
	if err := d.err(); err != nil {
		panic("default " + f.def + " in the fields table: " + err.Error())
	}
}

// Concurrency of targets that don't say.
const (
	httpConcurrency = 16
	natsConcurrency = 1024
)

// fillDefaults writes the defaults that follow from other values.
func fillDefaults(c *Config) {
	for name, s := range c.Sources {
		if s.MaxBody == 0 {
			s.MaxBody = c.Ingress.MaxBody
		}
		if s.Event.Source == "" {
			s.Event.Source = "doorward:" + name
		}
		c.Sources[name] = s
	}
	for name, t := range c.Targets {
		if t.Concurrency == 0 {
			t.Concurrency = t.defaultConcurrency()
		}
		c.Targets[name] = t
	}
}

func (t Target) defaultConcurrency() int {
	switch {
	case t.Ordered:
		return 1
	case t.HTTP != nil:
		return httpConcurrency
	}
	return natsConcurrency
}
