package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPrintableEscapesWhatSteersATerminal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text stays", "Ünïcödé 日本 🚪 \\n", "Ünïcödé 日本 🚪 \\n"},
		{"escape sequence", "\x1b[31mred", `\u001b[31mred`},
		{"bell and backspace", "a\a\b", `a\u0007\u0008`},
		{"line ends", "a\r\nb\tc", `a\r\nb\tc`},
		{"C1 control sequence introducer", "\u009b31m", `\u009b31m`},
		{"C1 as a lone byte", "\x9b31m", `\x9b31m`},
		{"delete", "\x7f", `\u007f`},
		{"right-to-left override", "gpj.\u202eexe", `gpj.\u202eexe`},
		{"isolates", "\u2066x\u2069", `\u2066x\u2069`},
		{"zero width", "pay\u200bpal", `pay\u200bpal`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "\U000e0041", `\U000e0041`},
		{"replacement character stays", "\ufffd", "\ufffd"},
	} {
		if got := printable(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got, want := printableLines("a\n\tb\r\x1b"), "a\n\tb\\r\\u001b"; got != want {
		t.Errorf("lines: got %q, want %q", got, want)
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func TestPrintableIsPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "in"))
		got := printable(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unprintable) {
			t.Fatalf("got %q", got)
		}
	})
}

func TestEscapedJSONIsTheSameJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "in")
		var text strings.Builder
		if err := writeAs(&text, formatJSONL, in); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(text.String(), "\n")
		if strings.ContainsFunc(line, unprintable) {
			t.Fatalf("not printable: %q", line)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		for name, want := range in {
			if got[name] != want {
				t.Fatalf("%q: got %q, want %q", name, got[name], want)
			}
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;title\a")
	f.Add("\xc2\x9b\xe2\x80\xae")
	f.Fuzz(func(t *testing.T, in string) {
		if got := printable(in); strings.ContainsFunc(got, unprintable) {
			t.Errorf("got %q", got)
		}
		if got := printableLines(in); strings.ContainsFunc(got, func(r rune) bool { return unprintable(r) && r != '\n' && r != '\t' }) {
			t.Errorf("lines: got %q", got)
		}
	})
}
