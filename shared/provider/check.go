package provider

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// Algorithms are the signature algorithms a spec may pin, with their signature's length in bytes.
var Algorithms = map[string]int{"hmac-sha256": 32, "hmac-sha512": 64, "ed25519": 64}

// words says which terms a list allows, and whether each takes an argument.
type words map[string]bool

var (
	decodeWords  = words{TrimPrefix: true, RequirePrefix: true, UTF8: false, Base64: false, Hex: false}
	contentWords = words{Lit: true, Body: false, TS: false, Header: true}
	fromWords    = words{Header: true}
	timeWords    = words{Header: true, SigField: true}
	idWords      = words{Header: true, JSON: true}
	encodings    = []string{"hex", "hex_any", "base64", "base64url"}
	kinds        = []string{"shared", "ed25519_public"}
)

func (w words) check(where string, terms ...Term) error {
	for _, t := range terms {
		takes, known := w[t.Kind]
		if !known || takes != (t.Arg != "") {
			return fmt.Errorf("%s: %s is not a word that may stand here", where, t)
		}
		if t.Kind == Header && !headerName(t.Arg) {
			return fmt.Errorf("%s: %s does not name a header", where, t)
		}
	}
	return nil
}

// normalise makes header names canonical and drops literals and candidates whose optional parameter was left empty.
func (v *Variant) normalise() {
	headers := make(map[string]string, len(v.Headers))
	for name, shape := range v.Headers {
		headers[textproto.CanonicalMIMEHeaderKey(name)] = shape
	}
	v.Headers = headers
	v.Content = slices.DeleteFunc(v.Content, func(t Term) bool { return t == Term{Kind: Lit} })
	v.Event.ID = slices.DeleteFunc(v.Event.ID, func(t Term) bool { return t == Term{Kind: JSON} || t == Term{Kind: Header} })
}

func (v *Variant) check() error {
	errs := []error{
		decodeWords.check("keys.decode", v.Keys.Decode...),
		decodeWords.check("keys.private", v.Keys.Private...),
		fromWords.check("signature.from", v.Signature.From),
		contentWords.check("content", v.Content...),
		idWords.check("event.id", v.Event.ID...),
		oneOf("keys.kind", v.Keys.Kind, kinds),
		oneOf("signature.enc", v.Signature.Encoding, encodings),
		v.Signature.Parse.check(),
		v.checkAlgorithm(),
		v.checkContent(),
		v.checkTimestamp(),
	}
	if !token(v.Name) {
		errs = append(errs, fmt.Errorf("variant name %q is not a token", v.Name))
	}
	return errors.Join(errs...)
}

func oneOf(where, value string, set []string) error {
	if slices.Contains(set, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", where, value, strings.Join(set, ", "))
}

func (p Layout) check() error {
	ok := false
	switch p.Kind {
	case "raw":
		ok = p.Prefix == "" && p.Split == "" && p.Pair == "" && p.Tag == ""
	case "prefix":
		ok = p.Split == "" && p.Pair == "" && p.Tag == ""
	case "items":
		ok = p.Prefix == "" && len(p.Split) == 1 && len(p.Pair) == 1 && p.Tag != ""
	}
	if !ok {
		return fmt.Errorf("signature.parse: kind %q with these fields is not in the grammar", p.Kind)
	}
	return nil
}

func (v *Variant) checkAlgorithm() error {
	if Algorithms[v.Algorithm] == 0 {
		return fmt.Errorf("algo: %q is not in the grammar", v.Algorithm)
	}
	if (v.Keys.Kind == "ed25519_public") != (v.Algorithm == "ed25519") {
		return fmt.Errorf("algo: %s does not work with %s keys", v.Algorithm, v.Keys.Kind)
	}
	return nil
}

// checkContent demands that the bytes can be cut into segments in one way only: a signed header has a shape, and
// what follows it begins with a byte outside that shape.
func (v *Variant) checkContent() error {
	if !slices.Contains(v.Content, Term{Kind: Body}) {
		return errors.New("content: body is missing")
	}
	for i, t := range v.Content {
		if t.Kind != Header {
			continue
		}
		allows, shaped := shapes[v.Headers[t.Arg]]
		if !shaped {
			return fmt.Errorf("content: %s has no shape in headers", t)
		}
		if i+1 < len(v.Content) && !delimits(v.Content[i+1], allows) {
			return fmt.Errorf("content: nothing ends %s before the next segment", t)
		}
	}
	return v.checkRoles()
}

func delimits(next Term, allows shape) bool { return next.Kind == Lit && !allows(next.Arg[0]) }

// checkRoles refuses a header that is two things at once.
func (v *Variant) checkRoles() error {
	names := []string{v.Signature.From.Arg}
	if ts := v.Timestamp; ts != nil && ts.From.Kind == Header {
		names = append(names, ts.From.Arg)
	}
	for _, t := range v.Content {
		if t.Kind == Header {
			names = append(names, t.Arg)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return errors.New("one header has two roles among signature, time and signed content")
	}
	return nil
}

// checkTimestamp refuses a time that the signature does not cover: judging it would prove nothing.
func (v *Variant) checkTimestamp() error {
	signed := slices.Contains(v.Content, Term{Kind: TS})
	if v.Timestamp == nil {
		if signed {
			return errors.New("content: ts without a timestamp")
		}
		return nil
	}
	t := v.Timestamp
	switch {
	case !signed:
		return errors.New("timestamp: not in content")
	case timeDigits[t.Unit] == 0:
		return fmt.Errorf("timestamp.unit: %q is not s or ms", t.Unit)
	case t.Past <= 0 || t.Future <= 0:
		return errors.New("timestamp: past and future must be positive")
	}
	return timeWords.check("timestamp.from", t.From)
}
