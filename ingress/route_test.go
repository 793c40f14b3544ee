package ingress

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var documented = regexp.MustCompile(`^/in/[a-z0-9][a-z0-9-]{0,62}$`)

func TestSourceNameIsTheDocumentedPattern(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, path string) {
		name, ok := sourceName(path)
		if want := documented.MatchString(path) && !strings.HasSuffix(path, "\n"); ok != want || ok && pathPrefix+name != path {
			t.Fatalf("sourceName(%q) = %q, %v, want %v", path, name, ok, want)
		}
	}
	for _, path := range []string{"", "/", "/in", "/in/", "/in/a", "/in/-", "/in/a-", "/in/" + strings.Repeat("a", 63), "/in/" + strings.Repeat("a", 64), "/in/a\n", "/in/é"} {
		check(t, path)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringMatching(`/?(in|IN)?/?[a-z0-9A-Z%/_.-]{0,70}`).Draw(t, "path"))
	})
}

func TestPublicHosts(t *testing.T) {
	for public, want := range map[string]string{
		"":                          "",
		"https://h.example":         "h.example h.example:443",
		"https://H.example:443/x":   "h.example h.example:443",
		"http://h.example":          "h.example h.example:80",
		"https://h.example:8443":    "h.example:8443",
		"https://[2001:db8::1]":     "[2001:db8::1] [2001:db8::1]:443",
		"https://[2001:db8::1]:443": "[2001:db8::1] [2001:db8::1]:443",
	} {
		got, err := publicHosts(public)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("publicHosts(%q) = %v, %v, want %s", public, got, err, want)
		}
	}
	if _, err := publicHosts("h.example"); err == nil {
		t.Error("a URL without a scheme was taken")
	}
}

// FuzzAdmit: whatever the target, only the documented pattern of a known source is let in.
func FuzzAdmit(f *testing.F) {
	for _, seed := range []string{"/in/a", "/in/a?b", "/in/%61", "//in/a", "/in/a/", "/in/../in/a", "http://h/in/a", "*"} {
		f.Add(seed)
	}
	p := &plan{sources: map[string]*source{"a": {name: "a", limit: 10}}}
	f.Fuzz(func(t *testing.T, target string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
		u, err := r.URL.Parse(target)
		if err != nil {
			return
		}
		r.URL, r.RequestURI = u, target
		a, err := p.admit(r)
		if err == nil && (a.source == nil || u.EscapedPath() != "/in/a") {
			t.Fatalf("%q was let in", target)
		}
	})
}
