package provider

import (
	"fmt"
	"net/textproto"

	"go.yaml.in/yaml/v4"
)

// The words of the grammar. Each list of a spec allows some of them; see check.go.
const (
	Lit           = "lit"            // {lit: text}: these bytes
	Body          = "body"           // the body as received
	TS            = "ts"             // the timestamp's text as received
	Header        = "header"         // {header: Name}: a header's value
	SigField      = "sigfield"       // {sigfield: tag}: an item of the signature header
	JSON          = "json"           // {json: a.b}: a string or number of the JSON body
	TrimPrefix    = "trim_prefix"    // {trim_prefix: p}: removed where it is there
	RequirePrefix = "require_prefix" // {require_prefix: p}: removed, and an error where it is not there
	UTF8          = "utf8"           // the text's own bytes
	Base64        = "base64"         // strict, padded, standard alphabet
	Hex           = "hex"            // either case
)

// Term is one word of the grammar with its argument, written `body` or `{header: X-Id}`.
type Term struct{ Kind, Arg string }

// String writes the term as a spec does.
func (t Term) String() string {
	if t.Arg == "" {
		return t.Kind
	}
	return "{" + t.Kind + ": " + t.Arg + "}"
}

// UnmarshalYAML reads a bare word, or a mapping of one word to its argument.
func (t *Term) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = Term{Kind: n.Value}
		return nil
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 || n.Content[1].Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: write a word or {word: argument}", n.Line)
	}
	*t = Term{Kind: n.Content[0].Value, Arg: n.Content[1].Value}
	if t.Kind == Header {
		t.Arg = textproto.CanonicalMIMEHeaderKey(t.Arg)
	}
	return nil
}
