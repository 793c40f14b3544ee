package provider

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// variant resolves a built-in provider, or ends the test.
func variant(t *testing.T, name string, with map[string]string) *Variant {
	t.Helper()
	spec, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := spec.Resolve(with)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEveryVariantOfEveryBuiltInSpecResolves(t *testing.T) {
	needed := map[string]map[string]string{"hmac": {"header": "x-signature"}}
	extra := map[string]map[string]string{
		"hmac/id-timestamp": {"timestamp_header": "x-time", "id_header": "x-id"},
		"hmac/timestamp":    {"timestamp_header": "x-time"},
	}
	for _, name := range Names() {
		spec, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if spec.ID != name || spec.Title == "" || len(spec.Evidence) == 0 || spec.RetryHorizon <= 0 {
			t.Errorf("%s: got id %s, title %s, evidence %s, retry horizon %s", name, spec.ID, spec.Title, spec.Evidence, spec.RetryHorizon)
		}
		for _, v := range spec.Variants() {
			with := map[string]string{"variant": v}
			for _, m := range []map[string]string{needed[name], extra[name+"/"+v]} {
				for k, value := range m {
					with[k] = value
				}
			}
			if got := variant(t, name, with).Name; got != v {
				t.Errorf("%s: got variant %s, want %s", name, got, v)
			}
		}
	}
}

func TestLoadNamesWhatThereIs(t *testing.T) {
	_, err := Load("../specs/github")
	if err == nil || !strings.Contains(err.Error(), "github, hmac") {
		t.Errorf("got %v", err)
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name, provider string
		with           map[string]string
		want           string // the variant, or part of the error after "!"
	}{
		{"default variant", "standard-webhooks", nil, "v1"},
		{"pinned variant", "standard-webhooks", map[string]string{"variant": "v1a"}, "v1a"},
		{"unknown variant", "standard-webhooks", map[string]string{"variant": "v0"}, "!no variant \"v0\": there are v1, v1a"},
		{"empty variant", "standard-webhooks", map[string]string{"variant": ""}, "!no variant"},
		{"unknown parameter", "github", map[string]string{"hash": "sha1"}, "!no parameter \"hash\""},
		{"required", "hmac", nil, "!parameter header is required"},
		{"body only", "hmac", map[string]string{"header": "x"}, "body"},
		{"a time", "hmac", map[string]string{"header": "x", "timestamp_header": "t"}, "timestamp"},
		{"an id and a time", "hmac", map[string]string{"header": "x", "timestamp_header": "t", "id_header": "i"}, "id-timestamp"},
		{"an id without a time", "hmac", map[string]string{"header": "x", "id_header": "i"}, "!id_header has no effect"},
		{"a time that is not used", "hmac", map[string]string{"header": "x", "timestamp_header": "t", "variant": "body"}, "!timestamp_header has no effect"},
		{"weak hash", "hmac", map[string]string{"header": "x", "hash": "sha1"}, "!\"sha1\" is not one of sha256, sha512"},
		{"not a header", "hmac", map[string]string{"header": "x y"}, "!not a header's name"},
		{"not a path", "hmac", map[string]string{"header": "x", "id_json": "a}{b"}, "!not a dotted path"},
		{"control byte", "hmac", map[string]string{"header": "x", "prefix": "a\nb"}, "!visible ASCII"},
		{"one header twice", "hmac", map[string]string{"header": "x", "timestamp_header": "X"}, "!two roles"},
		{"no separator", "hmac", map[string]string{"header": "x", "timestamp_header": "t", "id_header": "i", "separator": ""}, "!nothing ends"},
		{"no separator after a time", "hmac", map[string]string{"header": "x", "timestamp_header": "t", "separator": ""}, "timestamp"},
		{"ambiguous separator", "hmac", map[string]string{"header": "x", "timestamp_header": "t", "id_header": "i", "separator": "-"}, "!nothing ends"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := Load(tt.provider)
			if err != nil {
				t.Fatal(err)
			}
			v, err := spec.Resolve(tt.with)
			if want, failing := strings.CutPrefix(tt.want, "!"); failing {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			} else if err != nil || v.Name != tt.want {
				t.Errorf("got %v, %v, want %s", v, err, tt.want)
			}
		})
	}
}

// TestParametersAreData: a value is neither expanded again nor read as YAML.
func TestParametersAreData(t *testing.T) {
	for _, prefix := range []string{"${header}", "{raw: x}", "# no comment", "null", "*keys", `"`, "- a", "a: b"} {
		got := variant(t, "hmac", map[string]string{"header": "x", "prefix": prefix}).Signature.Parse.Prefix
		if got != prefix {
			t.Errorf("got prefix %q, want %q", got, prefix)
		}
	}
}

// TestPlainPlacesTakeAnyText: also where the spec did not quote the place.
func TestPlainPlacesTakeAnyText(t *testing.T) {
	text := strings.Replace(minimal, "{from: {header: x-signature}, parse: {kind: raw}, enc: hex}",
		"\n      from: {header: x-signature}\n      enc: hex\n      parse:\n        kind: prefix\n        prefix: ${p}", 1)
	spec, err := Parse([]byte(strings.Replace(text, "variants:", "with: {p: {doc: d}}\nvariants:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"null", "~", "5m", "true", "0x10", "{a: b}", "[a]", "*a", "&a", "!a", "# a", "a: b", "- a", "| a", " a ", `"`, "'"} {
		v, err := spec.Resolve(map[string]string{"p": prefix})
		if err != nil || v.Signature.Parse.Prefix != prefix {
			t.Errorf("%q: got %+v, %v", prefix, v, err)
		}
	}
}

const minimal = `
id: test
docs: https://example.com/docs
checked_at: 2026-11-21
variants:
  - name: only
    keys: {kind: shared, decode: [utf8], min_len: 1}
    signature: {from: {header: x-signature}, parse: {kind: raw}, enc: hex}
    algo: hmac-sha256
    content: [{header: x-id}, {lit: .}, ts, body]
    timestamp: {from: {header: x-time}, unit: s, past: 5m, future: 5m}
    headers: {x-id: id}
    event: {id: [{header: x-id}], type: ["t.{json:type}"]}
`

// TestSpecsAreReadStrictly changes one thing in a good spec at a time.
func TestSpecsAreReadStrictly(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"as it is", "", "", ""},
		{"unknown field", "algo:", "alog:", "alog"},
		{"unknown top field", "docs:", "dosc:", "dosc"},
		{"field twice", "id: test", "id: test\nid: test", "id"},
		{"id", "id: test", "id: te/st", "not a token"},
		{"docs", "https:", "http:", "https"},
		{"date", "2026-11-21", "yesterday", "date"},
		{"no variants", "variants:\n  - ", "variants: []\nwith:\n  x: {doc: y}\nx: ", "x"},
		{"place without a parameter", "name: only", "name: \"${only}\"", "no parameter"},
		{"parameter without a place", "variants:", "with: {spare: {doc: d}}\nvariants:", "no place"},
		{"key kind", "kind: shared", "kind: sharded", "keys.kind"},
		{"key of another algorithm", "kind: shared", "kind: ed25519_public", "does not work with"},
		{"decoding", "[utf8]", "[rot13]", "keys.decode"},
		{"decoding without its argument", "[utf8]", "[trim_prefix]", "keys.decode"},
		{"word with an argument it does not take", "[utf8]", "[{utf8: x}]", "keys.decode"},
		{"two words in one", "[utf8]", "[{utf8: x, hex: y}]", "write a word"},
		{"parse kind", "kind: raw", "kind: row", "signature.parse"},
		{"parse field of another kind", "kind: raw", "kind: raw, tag: v1", "signature.parse"},
		{"long separator", "kind: raw", `kind: items, split: ", ", pair: "=", tag: v1`, "signature.parse"},
		{"encoding", "enc: hex", "enc: rot13", "signature.enc"},
		{"algorithm", "hmac-sha256", "hmac-sha1", "algo"},
		{"no body", "ts, body]", "ts]", "body is missing"},
		{"unsigned time", "{lit: .}, ts,", "{lit: .},", "not in content"},
		{"time unit", "unit: s", "unit: m", "timestamp.unit"},
		{"no tolerance", "past: 5m", "past: 0s", "must be positive"},
		{"no shape", "headers: {x-id: id}", "headers: {}", "no shape"},
		{"unknown shape", "x-id: id", "x-id: any", "no shape"},
		{"ambiguous join", "{lit: .}, ts", "ts", "nothing ends"},
		{"ambiguous literal", "{lit: .}", "{lit: a}", "nothing ends"},
		{"one header in two roles", "header: x-time", "header: x-id", "two roles"},
		{"template place", "{json:type}", "{jsn:type}", "template place"},
		{"open template place", "{json:type}", "{json:type", "template place"},
		{"id from elsewhere", "id: [{header: x-id}]", "id: [body]", "event.id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.old != "" && !strings.Contains(minimal, tt.old) {
				t.Fatalf("the spec has no %q", tt.old)
			}
			spec, err := Parse([]byte(strings.Replace(minimal, tt.old, tt.new, 1)))
			if err == nil {
				_, err = spec.Resolve(nil)
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestShape(t *testing.T) {
	shapes := variant(t, "standard-webhooks", nil).Shape()
	var names []string
	for _, h := range shapes {
		names = append(names, h.Name)
	}
	if want := []string{"Webhook-Signature", "Webhook-Id", "Webhook-Timestamp"}; !slices.Equal(names, want) {
		t.Fatalf("got %s, want %s", names, want)
	}
	tests := []struct {
		header int
		value  string
		want   bool
	}{
		{0, "v1,AAAA", true}, {0, "", false}, {0, "v1,\x00", false}, {0, strings.Repeat("a", 2049), false},
		{1, "msg_1-A", true}, {1, "msg.1", false}, {1, strings.Repeat("a", 257), false}, {1, "é", false},
		{2, "1700000000", true}, {2, "170000000", false}, {2, "17000000000", false}, {2, "+170000000", false},
	}
	for _, tt := range tests {
		if got := shapes[tt.header].Accepts(tt.value); got != tt.want {
			t.Errorf("%s: %q: got %v, want %v", names[tt.header], tt.value, got, tt.want)
		}
	}
}

func TestTemplateExpand(t *testing.T) {
	types := variant(t, "github", nil).Event.Type
	values := map[Term]string{{Header, "X-Github-Event"}: "issues", {JSON, "action"}: "{json:x}"}
	value := func(term Term) (string, bool) { v, ok := values[term]; return v, ok }
	if got, ok := types[0].Expand(value); !ok || got != "com.github.issues.{json:x}" {
		t.Errorf("got %q, %v: a value is expanded once", got, ok)
	}
	delete(values, Term{JSON, "action"})
	if got, ok := types[0].Expand(value); ok {
		t.Errorf("got %q without an action", got)
	}
	if got, ok := types[1].Expand(value); !ok || got != "com.github.issues" {
		t.Errorf("got %q, %v", got, ok)
	}
}

// TestHoldsNoCryptography: the outer door links this package, and must not link a signature engine with it.
func TestHoldsNoCryptography(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.HasPrefix(p, "crypto/") || strings.Contains(p, "/x/crypto") {
			t.Errorf("links %s", p)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"", "a", "{json:a}", "{header:x}.{json:b}", "{", "}", "{}", "{json:}", "{{json:a}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := parseTemplate(text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, p := range parts {
			if p.Kind == Lit {
				b.WriteString(p.Arg)
			} else {
				b.WriteString("{" + p.Kind + ":" + p.Arg + "}")
			}
		}
		if !strings.EqualFold(b.String(), text) {
			t.Errorf("%q is read as %q", text, b.String())
		}
	})
}
