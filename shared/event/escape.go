package event

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// Escape percent-encodes an attribute value for a header: space, double quote, percent
// and everything outside printable ASCII (CloudEvents HTTP binding §3.1.3.2, which the
// NATS binding takes over).
func Escape(s string) string {
	clean := true
	for i := range len(s) {
		if escaped(s[i]) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; escaped(c) {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func escaped(c byte) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '%' }

var errEscape = errors.New("bad percent-encoding")

// Unescape reverses Escape. It refuses a bare percent sign, and text that is not UTF-8.
func Unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errEscape
		}
		hi, lo := strings.IndexByte(upperHex, upper(s[i+1])), strings.IndexByte(upperHex, upper(s[i+2]))
		if hi < 0 || lo < 0 {
			return "", errEscape
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	if !utf8.ValidString(b.String()) {
		return "", errEscape
	}
	return b.String(), nil
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'f' {
		return c - 32
	}
	return c
}
