package provider

import (
	"slices"
	"strings"
)

// timeDigits is how many digits a timestamp has, by unit: neither a shorter nor a longer one is a time
// between 2001 and 2286.
var timeDigits = map[string]int{"s": 10, "ms": 13}

// Digits is the length of the timestamp's text.
func (t *Timestamp) Digits() int { return timeDigits[t.Unit] }

// maxSignature bounds the value of a signature header that may hold several signatures, in bytes.
const maxSignature = 2048

// maxToken bounds a signed header's value, in bytes.
const maxToken = 256

// shape says which bytes a value may consist of.
type shape func(c byte) bool

// shapes are the named shapes of signed headers.
var shapes = map[string]shape{
	"id":   func(c byte) bool { return alnum(c) || c == '_' || c == '-' },
	"name": func(c byte) bool { return alnum(c) || strings.IndexByte("_-./", c) >= 0 },
}

// HeaderShape is what can be known of a request's header without a key.
type HeaderShape struct {
	// Name is canonical.
	Name string
	// MinLen and MaxLen bound the value, in bytes.
	MinLen, MaxLen int

	allows shape
}

// Accepts says whether a value may be genuine. It refuses nothing that could verify.
func (h HeaderShape) Accepts(value string) bool {
	if len(value) < h.MinLen || len(value) > h.MaxLen {
		return false
	}
	for i := range len(value) {
		if !h.allows(value[i]) {
			return false
		}
	}
	return true
}

// Shape lists the headers without which no request can verify; each must be there exactly once. The first is
// the signature's.
func (v *Variant) Shape() []HeaderShape {
	out := []HeaderShape{v.signatureShape()}
	for _, t := range v.Content {
		if t.Kind == Header && !slices.ContainsFunc(out, func(h HeaderShape) bool { return h.Name == t.Arg }) {
			out = append(out, HeaderShape{t.Arg, 1, maxToken, shapes[v.Headers[t.Arg]]})
		}
	}
	if ts := v.Timestamp; ts != nil && ts.From.Kind == Header {
		out = append(out, HeaderShape{ts.From.Arg, ts.Digits(), ts.Digits(), digit})
	}
	return out
}

func (v *Variant) signatureShape() HeaderShape {
	h := HeaderShape{Name: v.Signature.From.Arg, MinLen: 1, MaxLen: maxSignature, allows: printable}
	if p := v.Signature.Parse; p.Kind != "items" {
		n := len(p.Prefix) + EncodedLen(v.Signature.Encoding, Algorithms[v.Algorithm])
		h.MinLen, h.MaxLen = n, n
	}
	return h
}

// EncodedLen is the length of n bytes in an encoding of the grammar.
func EncodedLen(encoding string, n int) int {
	if strings.HasPrefix(encoding, "hex") {
		return 2 * n
	}
	return (n + 2) / 3 * 4
}

func digit(c byte) bool     { return c >= '0' && c <= '9' }
func alnum(c byte) bool     { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
func printable(c byte) bool { return c >= ' ' && c <= '~' }

func all(s string, f shape) bool {
	for i := range len(s) {
		if !f(s[i]) {
			return false
		}
	}
	return true
}

func visible(s string) bool    { return all(s, printable) }
func token(s string) bool      { return s != "" && len(s) <= 64 && all(s, shapes["id"]) }
func headerName(s string) bool { return token(s) }
func path(s string) bool       { return s != "" && all(s, shapes["name"]) }
