package signature

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorward/doorward/shared/provider"
)

// sources are one scheme of every kind that the grammar has.
func sources(t *testing.T) []*Scheme {
	shared := []Key{{ID: "a", Secret: []byte(strongSecret)}, {ID: "b", Secret: []byte("b" + strongSecret)}}
	var out []*Scheme
	for _, name := range []string{"github", "stripe", "slack", "standard-webhooks"} {
		out = append(out, compile(t, name, Options{Keys: shared[:1]}))
	}
	out = append(out, deliveries(t)["standard-webhooks-v1a"].scheme(t, nil))
	for _, with := range []map[string]string{
		{"header": "X-S", "hash": "sha512", "encoding": "base64"},
		{"header": "X-S", "encoding": "hex_any", "timestamp_header": "X-T", "timestamp_unit": "ms", "separator": "|"},
		{"header": "X-S", "encoding": "base64url", "timestamp_header": "X-T", "id_header": "X-I", "prefix": "v="},
	} {
		out = append(out, compile(t, "hmac", Options{Keys: shared, With: with}))
	}
	return out
}

// TestLawSignThenVerify: what Sign makes verifies, and no single bit of what is covered can change.
func TestLawSignThenVerify(t *testing.T) {
	schemes := sources(t)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(schemes).Draw(t, "scheme")
		at := time.UnixMilli(rapid.Int64Range(1e12, 9e12).Draw(t, "at"))
		r := &Request{Body: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "body")}
		key := rapid.SampledFrom(s.keys).Draw(t, "key").id
		if err := s.Sign(r, key, at, rapid.StringMatching(`[A-Za-z0-9_-]{1,256}`).Draw(t, "id")); err != nil {
			t.Fatal(err)
		}
		p, err := s.Verify(r, at)
		if err != nil || p.KeyID != key {
			t.Fatalf("got key %q, %v, want %q", p.KeyID, err, key)
		}
		bit := rapid.IntRange(0, 8*len(r.Body)-1).Draw(t, "bit")
		if _, err := s.Verify(r.body(func(b []byte) []byte { b[bit/8] ^= 1 << (bit % 8); return b }), at); err == nil {
			t.Fatalf("verified with bit %d of the body changed", bit)
		}
		for _, read := range s.reads[1:] {
			if name := read.shape.Name; name != "" {
				i := rapid.IntRange(0, 8*len(r.value(name))-1).Draw(t, "bit of "+name)
				if _, err := s.Verify(r.with(name, func(v string) string { return flipBit(v, i) }), at); err == nil {
					t.Fatalf("verified with bit %d of %s changed", i, name)
				}
			}
		}
	})
}

func flipBit(s string, i int) string {
	b := []byte(s)
	b[i/8] ^= 1 << (i % 8)
	return string(b)
}

// TestLawShapeRefusesNothingGenuine: the outer door's check lets every signed request through.
func TestLawShapeRefusesNothingGenuine(t *testing.T) {
	for name, d := range deliveries(t) {
		for _, h := range d.variant(t).Shape() {
			if !h.Accepts(d.request.value(h.Name)) {
				t.Errorf("%s: %s is refused", name, h.Name)
			}
		}
	}
	for _, s := range sources(t) {
		r := &Request{Body: []byte("{}")}
		if err := s.Sign(r, "", time.Unix(1700000000, 0), "msg_1"); err != nil {
			t.Fatal(err)
		}
		for _, read := range s.reads {
			if read.shape.Name != "" && !read.shape.Accepts(r.value(read.shape.Name)) {
				t.Errorf("%s: %s is refused", s.Name(), read.shape.Name)
			}
		}
	}
}

// TestLawConcurrentVerify: a scheme's shared states never mix two requests.
func TestLawConcurrentVerify(t *testing.T) {
	for _, s := range sources(t) {
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			at := time.Unix(1700000000, 0)
			done := make(chan error)
			for n := range 8 {
				go func() {
					r := &Request{Body: []byte(strings.Repeat("x", n*100))}
					err := s.Sign(r, "", at, "msg_1")
					for i := 0; err == nil && i < 200; i++ {
						_, err = s.Verify(r, at)
					}
					done <- err
				}()
			}
			for range 8 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestVerifyHardlyAllocates keeps the hot path as it was measured: nothing, but when a collection or the race
// detector empties the pools.
func TestVerifyHardlyAllocates(t *testing.T) {
	for _, name := range provider.Names() {
		s, r, at := signed(t, name, 1)
		got := testing.AllocsPerRun(200, func() { _, _ = s.Verify(r, at) })
		if got > 5 {
			t.Errorf("%s: got %v allocations, want at most 5", name, got)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	at := time.Unix(1700000000, 0)
	sw := compile(t, "standard-webhooks", Options{Keys: []Key{{ID: "k", Secret: []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), NotAfter: at}}})
	tests := []struct {
		name, key, id string
		at            time.Time
		want          string
	}{
		{"genuine", "k", "msg_1", at, ""},
		{"any key", "", "msg_1", at, ""},
		{"no such key", "x", "msg_1", at, `no key "x"`},
		{"no key valid", "", "msg_1", at.Add(time.Second), `no key ""`},
		{"no id", "k", "", at, "Webhook-Id is missing"},
		{"an id with a dot", "k", "a.b", at, "Webhook-Id is missing or not in shape"},
		{"a time of nine digits", "k", "msg_1", time.Unix(1, 0), "outside what the scheme can write"},
	}
	for _, tt := range tests {
		err := sw.Sign(&Request{}, tt.key, tt.at, tt.id)
		if got := message(err); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSignReplacesHeaders(t *testing.T) {
	s, r, at := signed(t, "standard-webhooks", 1)
	if err := s.Sign(r, "", at.Add(time.Hour), "msg_2"); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, f := range r.Header {
		if slices.Contains([]string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}, f.Name) {
			count++
		}
	}
	if count != 3 || r.value("Webhook-Id") != "msg_2" {
		t.Errorf("got %d lines, id %s", count, r.value("Webhook-Id"))
	}
}
