package cli

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

func TestYAMLIsTheSameAndPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOf(rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0xfffd })), rapid.String()).Draw(t, "in")
		var text strings.Builder
		if err := writeAs(&text, formatYAML, in); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(text.String(), func(r rune) bool { return unprintable(r) && r != '\n' }) {
			t.Fatalf("not printable: %q", text.String())
		}
		var got map[string]string
		if err := yaml.Load([]byte(text.String()), &got); err != nil {
			t.Fatalf("%v in %q", err, text.String())
		}
		for name, want := range in {
			if got[name] != want {
				t.Fatalf("%q: got %q, want %q", name, got[name], want)
			}
		}
	})
}

func TestColourIsForTerminals(t *testing.T) {
	none := func(string) string { return "" }
	set := func(string) string { return "1" }
	for _, c := range []struct {
		name     string
		a        app
		coloured bool
	}{
		{"terminal", app{Deps: Deps{Terminal: true, Env: none}, color: "auto"}, true},
		{"pipe", app{Deps: Deps{Env: none}, color: "auto"}, false},
		{"pipe, always", app{Deps: Deps{Env: none}, color: "always"}, true},
		{"terminal, NO_COLOR", app{Deps: Deps{Terminal: true, Env: set}, color: "auto"}, false},
		{"terminal, never", app{Deps: Deps{Terminal: true, Env: none}, color: "never"}, false},
		{"always, but json", app{Deps: Deps{Terminal: true, Env: none}, color: "always", output: formatJSON}, false},
	} {
		if got := c.a.paint(red, "x") != "x"; got != c.coloured {
			t.Errorf("%s: got %v, want %v", c.name, got, c.coloured)
		}
	}
}
