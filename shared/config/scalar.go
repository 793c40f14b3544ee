package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// scalar is how one Go type is written in YAML and described in the JSON Schema.
type scalar struct {
	// json is the JSON Schema type, tags are the YAML tags that are taken.
	json    []string
	tags    []string
	want    string
	pattern *regexp.Regexp
	format  string
}

var (
	textTags  = []string{"!!str", "!!timestamp"}
	textKind  = scalar{json: []string{"string"}, tags: textTags, want: "text"}
	wholeKind = scalar{json: []string{"integer"}, tags: []string{"!!int"}, want: "a whole number"}
	boolKind  = scalar{json: []string{"boolean"}, tags: []string{"!!bool"}, want: "true or false"}
)

// scalars are the types that read themselves from text.
var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[Ref]():          {json: []string{"string"}, tags: textTags, want: "a reference to a secret", pattern: refForm},
	reflect.TypeFor[Duration]():     {json: []string{"string"}, tags: textTags, want: "a duration such as 90s, 5m or 7d", pattern: durationForm},
	reflect.TypeFor[Bytes]():        {json: []string{"string", "integer"}, tags: []string{"!!str", "!!int"}, want: "an amount such as 512KiB or 1MiB", pattern: bytesForm},
	reflect.TypeFor[Expr]():         textKind,
	reflect.TypeFor[time.Time]():    {json: []string{"string"}, tags: textTags, want: "a time such as 2026-12-31T00:00:00Z", format: "date-time"},
	reflect.TypeFor[netip.Prefix](): {json: []string{"string"}, tags: textTags, want: "an address prefix such as 10.20.0.0/16", pattern: regexp.MustCompile(`^[0-9A-Fa-f.:]+/[0-9]{1,3}$`)},
}

// scalarOf is the scalar for t, false for mappings and lists.
func scalarOf(t reflect.Type) (scalar, bool) {
	if s, ok := scalars[t]; ok {
		return s, true
	}
	switch t.Kind() {
	case reflect.String:
		return textKind, true
	case reflect.Int, reflect.Int64:
		return wholeKind, true
	case reflect.Bool:
		return boolKind, true
	}
	return scalar{}, false
}

// kindNames say what a YAML tag is to somebody who doesn't know tags.
var kindNames = map[string]string{
	"!!str": "text", "!!int": "a number", "!!float": "a number", "!!bool": "true or false", "!!null": "nothing",
	"!!map": "a mapping", "!!seq": "a list", "!!timestamp": "a time", "!!merge": "a merge key",
}

// parseScalar sets v from text that already has a fitting YAML tag.
func parseScalar(text string, v reflect.Value) (message, hint string) {
	if prefix, ok := v.Addr().Interface().(*netip.Prefix); ok {
		return parsePrefix(text, prefix)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return refusal(v.Type(), u.UnmarshalText([]byte(text))), ""
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(strings.EqualFold(text, "true"))
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != text {
			return "must be a whole number written in plain digits", ""
		}
		v.SetInt(n)
	default:
		v.SetString(text)
	}
	return "", ""
}

// refusal words an error of a foreign parser as the rest of the messages are.
func refusal(t reflect.Type, err error) string {
	if err == nil {
		return ""
	}
	if t == reflect.TypeFor[time.Time]() {
		return "must be " + scalars[t].want + " (RFC 3339)"
	}
	return err.Error()
}

// parsePrefix takes canonical prefixes only: with bits set beyond the length, or of
// IPv4 inside IPv6, it is not plain what was meant.
func parsePrefix(text string, p *netip.Prefix) (message, hint string) {
	want := "must be " + scalars[reflect.TypeFor[netip.Prefix]()].want
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return want, fmt.Sprintf("did you mean %q?", netip.PrefixFrom(addr, addr.BitLen()))
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return want, ""
	case prefix.Addr().Is4In6():
		return "an IPv4 prefix must be written as IPv4", ""
	case prefix != prefix.Masked():
		return "has bits set beyond its length", fmt.Sprintf("did you mean %q?", prefix.Masked())
	}
	*p = prefix
	return "", ""
}

// check compares a value that was read with the limits of its field.
func (f field) check(text string, v reflect.Value) (message, hint string) {
	switch {
	case len(f.enum) > 0 && !slices.Contains(f.enum, text):
		return "must be one of " + strings.Join(f.enum, ", "), didYouMean(text, f.enum)
	case f.pattern != nil && !f.pattern.MatchString(text):
		return f.want, ""
	case v.Kind() == reflect.String && !f.blank && text == "":
		return "must not be empty: leave the key out instead", ""
	case f.min != "" && f.min == f.max && v.Int() != bound(f.min, v.Type()):
		return "must be " + f.min, ""
	case f.min != "" && v.Int() < bound(f.min, v.Type()):
		return "must be at least " + f.min, ""
	case f.max != "" && v.Int() > bound(f.max, v.Type()):
		return "must be at most " + f.max, ""
	case v.Kind() == reflect.String && utf8.RuneCountInString(text) > maxText:
		return fmt.Sprintf("is longer than %d characters", maxText), ""
	}
	return "", ""
}

// maxText bounds one value in characters; expressions are the longest.
const maxText = 8192

// bound reads a limit of the fields table as a value of type t.
func bound(text string, t reflect.Type) int64 {
	v := reflect.New(t).Elem()
	if message, _ := parseScalar(text, v); message != "" {
		panic("limit " + text + " in the fields table: " + message)
	}
	return v.Int()
}
