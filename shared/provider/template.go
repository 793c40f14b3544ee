package provider

import (
	"fmt"
	"net/textproto"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Template is text with places, for example "com.vendor.{header:X-Event}.{json:action}".
type Template []Term

// UnmarshalYAML reads a template from one scalar.
func (t *Template) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a template is text", n.Line)
	}
	parts, err := parseTemplate(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*t = parts
	return nil
}

func parseTemplate(text string) (Template, error) {
	var out Template
	for text != "" {
		lit, rest, found := strings.Cut(text, "{")
		if lit != "" {
			out = append(out, Term{Lit, lit})
		}
		if !found {
			return out, nil
		}
		place, after, closed := strings.Cut(rest, "}")
		kind, arg, named := strings.Cut(place, ":")
		if !closed || !named || arg == "" || kind != Header && kind != JSON {
			return nil, fmt.Errorf("template place {%s: want {header:Name} or {json:path}", place)
		}
		if kind == Header {
			arg = textproto.CanonicalMIMEHeaderKey(arg)
		}
		out, text = append(out, Term{kind, arg}), after
	}
	return out, nil
}

// Expand fills the places once, from the values given; ok is false where one is missing or empty.
func (t Template) Expand(value func(Term) (string, bool)) (text string, ok bool) {
	var b strings.Builder
	for _, part := range t {
		s := part.Arg
		if part.Kind != Lit {
			if s, ok = value(part); !ok || s == "" {
				return "", false
			}
		}
		b.WriteString(s)
	}
	return b.String(), len(t) > 0
}
