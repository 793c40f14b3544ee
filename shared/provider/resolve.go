package provider

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// variantKey is the parameter that every provider has: it pins a variant by name.
const variantKey = "variant"

// place is where a spec takes a parameter.
var place = regexp.MustCompile(`\$\{([a-z][a-z0-9_]*)\}`)

// Variants lists the names of the ways this provider signs, the default first.
func (s *Spec) Variants() []string {
	names := make([]string, 0, len(s.variants))
	for i := range s.variants {
		names = append(names, head(&s.variants[i]).Name)
	}
	return names
}

// Resolve fills in a source's parameters and returns the one variant it pins: the one that
// with.variant names, else the first whose needs are all set. Unknown parameters, values outside their
// set, and parameters that the variant would ignore are errors, all reported together.
func (s *Spec) Resolve(with map[string]string) (*Variant, error) {
	if err := s.checkWith(with); err != nil {
		return nil, fmt.Errorf("provider %s: %w", s.ID, err)
	}
	node, err := s.choose(with)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", s.ID, err)
	}
	v, err := s.fill(node, with)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", s.ID, err)
	}
	return v, nil
}

func (s *Spec) checkWith(with map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(with)) {
		p, known := s.With[name]
		if !known && name != variantKey {
			errs = append(errs, fmt.Errorf("no parameter %q: there are %s", name, strings.Join(s.parameters(), ", ")))
			continue
		}
		if err := p.check(with[name]); err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.With)) {
		if s.With[name].Required && with[name] == "" {
			errs = append(errs, fmt.Errorf("parameter %s is required: %s", name, s.With[name].Doc))
		}
	}
	return errors.Join(errs...)
}

func (s *Spec) parameters() []string {
	return append(slices.Sorted(maps.Keys(s.With)), variantKey)
}

func (p Parameter) check(value string) error {
	switch {
	case len(p.OneOf) > 0 && !slices.Contains(p.OneOf, value):
		return fmt.Errorf("%q is not one of %s", value, strings.Join(p.OneOf, ", "))
	case p.Form == "header" && !headerName(value):
		return fmt.Errorf("%q is not a header's name", value)
	case p.Form == "path" && !path(value):
		return fmt.Errorf("%q is not a dotted path", value)
	case !visible(value):
		return errors.New("only visible ASCII and spaces are allowed")
	}
	return nil
}

// heading is what of a variant must be readable before its parameters are known.
type heading struct {
	Name  string   `yaml:"name"`
	Needs []string `yaml:"needs"`
}

func head(n *yaml.Node) (h heading) {
	_ = n.Decode(&h) // a variant that is no mapping fails in fill, with a better message
	return h
}

func (s *Spec) choose(with map[string]string) (*yaml.Node, error) {
	wanted, named := with[variantKey]
	for i := range s.variants {
		n := &s.variants[i]
		h := head(n)
		set := !slices.ContainsFunc(h.Needs, func(p string) bool { return with[p] == "" })
		if named && h.Name == wanted || !named && set {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no variant %q: there are %s", wanted, strings.Join(s.Variants(), ", "))
}

// fill substitutes parameters inside scalars, once, so that no value is ever expanded again or parsed as YAML.
func (s *Spec) fill(n *yaml.Node, with map[string]string) (*Variant, error) {
	used := map[string]bool{variantKey: true}
	filled := s.substitute(n, with, used)
	for name := range with {
		if !used[name] {
			return nil, fmt.Errorf("parameter %s has no effect on variant %s", name, head(n).Name)
		}
	}
	text, err := yaml.Dump(filled)
	if err != nil {
		return nil, fmt.Errorf("fill parameters: %w", err)
	}
	v := &Variant{}
	if err := yaml.Load(text, v, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("decode variant: %w", err)
	}
	v.normalise()
	return v, v.check()
}

func (s *Spec) substitute(n *yaml.Node, with map[string]string, used map[string]bool) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return s.substitute(n.Alias, with, used)
	}
	c := *n
	c.Anchor = "" // the anchor's other uses may lie in another variant
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = s.substitute(child, with, used)
	}
	if n.Kind == yaml.ScalarNode && place.MatchString(n.Value) {
		c.Value = place.ReplaceAllStringFunc(n.Value, func(m string) string {
			name := m[2 : len(m)-1]
			used[name] = true
			if v, ok := with[name]; ok {
				return v
			}
			return s.With[name].Default
		})
	}
	return &c
}

// checkPlaces demands that places and parameters are the same set, so that no misspelt one is silently empty.
func (d *document) checkPlaces() error {
	used := map[string]bool{}
	for i := range d.Variants {
		d.substitute(&d.Variants[i], nil, used)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if _, known := d.With[name]; !known {
			errs = append(errs, fmt.Errorf("place ${%s} has no parameter", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.With)) {
		if !used[name] {
			errs = append(errs, fmt.Errorf("parameter %s has no place", name))
		}
	}
	return errors.Join(errs...)
}
