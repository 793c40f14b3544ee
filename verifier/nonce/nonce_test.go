package nonce

import (
	"bytes"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"pgregory.net/rapid"
)

func deriver(t interface{ Fatal(...any) }, key string) *Deriver {
	d, err := NewDeriver([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNonceIsScopedAndKeyed(t *testing.T) {
	a, b := deriver(t, "0123456789abcdef-a"), deriver(t, "0123456789abcdef-b")
	base := a.Derive("agents", 'A', []byte("msg_1"))
	if again := a.Derive("agents", 'A', []byte("msg_1")); again != base {
		t.Errorf("derived %s, then %s", base, again)
	}
	for name, other := range map[string]string{
		"source":   a.Derive("agent", 'A', []byte("msg_1")),
		"class":    a.Derive("agents", 'B', []byte("msg_1")),
		"material": a.Derive("agents", 'A', []byte("msg_2")),
		"key":      b.Derive("agents", 'A', []byte("msg_1")),
	} {
		if other == base {
			t.Errorf("another %s gives the same nonce", name)
		}
	}
	if len(base) != Length || !bus.ValidToken(base) {
		t.Errorf("%q is not a token of %d characters", base, Length)
	}
	if _, err := NewDeriver([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestNonceIsInjectiveInPractice(t *testing.T) {
	d := deriver(t, "0123456789abcdef")
	name := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		s1, s2 := name.Draw(t, "s1"), name.Draw(t, "s2")
		m1, m2 := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "m1"), rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "m2")
		same := s1 == s2 && bytes.Equal(m1, m2)
		if got := d.Derive(s1, 'A', m1) == d.Derive(s2, 'A', m2); got != same {
			t.Fatalf("(%q, %q) and (%q, %q): same nonce is %v", s1, m1, s2, m2, got)
		}
	})
}

func BenchmarkDerive(b *testing.B) {
	d := deriver(b, "0123456789abcdef")
	material := []byte("msg_p5jXN8AQM9LWM0D4loKWxJek")
	b.ReportAllocs()
	for b.Loop() {
		d.Derive("agents", 'A', material)
	}
}
