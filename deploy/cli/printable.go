package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable is text on one line with nothing in it that could steer a terminal: control
// characters (C0, ESC, DEL, C1), direction marks and other format characters, unassigned
// ones and bytes that are no UTF-8 become escapes.
func printable(s string) string { return escaped(s, "") }

// printableLines keeps line ends and tabs.
func printableLines(s string) string { return escaped(s, "\n\t") }

func escaped(s, keep string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return s
	}
	var out strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[0])
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			out.WriteString(s[:size])
		default:
			out.WriteString(escapedRune(r))
		}
		s = s[size:]
	}
	return out.String()
}

func escapedRune(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// escapedJSON is the same JSON with every such character written as JSON escapes it: they
// can only stand inside strings, but for the line ends and indents between them.
func escapedJSON(text []byte) []byte {
	return escapedQuotes(text, func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	})
}

// escapedYAML is the same for YAML in double quotes, which knows no surrogates.
func escapedYAML(text []byte) []byte {
	return escapedQuotes(text, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

func escapedQuotes(text []byte, astral func(rune) string) []byte {
	var out []byte
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out = append(out, text[:size]...)
		case r > 0xffff:
			out = append(out, astral(r)...)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}
