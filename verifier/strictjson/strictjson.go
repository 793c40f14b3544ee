// Package strictjson decodes a body once, strictly, for everything that reads it: event
// mapping, schema and identity.
//
// It promises that what it accepts has one meaning: duplicate names, invalid UTF-8, lone
// surrogates, trailing bytes and a byte order mark are errors, names are compared as they
// are, nesting is at most MaxDepth and a number's text at most MaxNumber bytes.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a body.
const (
	MaxDepth  = 64
	MaxNumber = 64
)

// What is wrong with a body. ErrTooDeep stands for nesting and for overlong numbers.
var (
	ErrSyntax  = errors.New("not strict JSON")
	ErrTooDeep = errors.New("nests too deep or holds too long a number")
)

// Decode returns map[string]any, []any, string, bool, nil, int64, float64, or Number for
// a number that neither holds exactly.
func Decode(data []byte) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	v, err := decode(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: bytes after the value at offset %d", ErrSyntax, d.InputOffset())
	}
	return v, nil
}

// Number is the text of a number that no Go number holds exactly. It is the standard
// library's type, so that schema libraries know it for a number.
type Number = json.Number

func decode(d *jsontext.Decoder, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, ErrTooDeep
	}
	tok, err := d.ReadToken()
	if err != nil {
		return nil, syntax(d, err)
	}
	switch tok.Kind() {
	case '{':
		return object(d, depth)
	case '[':
		return array(d, depth)
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String())
	case 't', 'f':
		return tok.Bool(), nil
	}
	return nil, nil
}

func object(d *jsontext.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, syntax(d, err)
		}
		key := name.String()
		if out[key], err = decode(d, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, syntax(d, err)
	}
	return out, nil
}

func array(d *jsontext.Decoder, depth int) (any, error) {
	out := []any{}
	for d.PeekKind() != ']' {
		v, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, syntax(d, err)
	}
	return out, nil
}

// syntax names the place only: the library's text may quote the body.
func syntax(d *jsontext.Decoder, err error) error {
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		return fmt.Errorf("%w at offset %d", ErrSyntax, at.ByteOffset)
	}
	return fmt.Errorf("%w at offset %d", ErrSyntax, d.InputOffset())
}

func number(text string) (any, error) {
	if len(text) > MaxNumber {
		return nil, ErrTooDeep
	}
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
			return n, nil
		}
		return Number(text), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return Number(text), nil
	}
	return f, nil
}

// Lookup follows a dotted path of object names, for example "data.object.id", and
// returns the text of a string or of a whole number. Nothing else identifies anything.
func Lookup(v any, path string) (string, bool) {
	for more := true; more; {
		var name string
		name, path, more = strings.Cut(path, ".")
		object, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = object[name]; !ok {
			return "", false
		}
	}
	return Text(v)
}

// Text is the exact text of a string or a whole number.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case int64:
		return strconv.FormatInt(v, 10), true
	case Number:
		return string(v), true
	}
	return "", false
}
