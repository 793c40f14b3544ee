package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// signed is a request of 1 KiB as each built-in provider would send it, and its scheme.
func signed(t testing.TB, name string, keys int) (*Scheme, *Request, time.Time) {
	t.Helper()
	opt := Options{}
	if name == "hmac" {
		opt.With = map[string]string{"header": "X-Signature", "timestamp_header": "X-Timestamp"}
	}
	for i := range keys {
		secret := fmt.Sprintf("0123456789abcdef0123456789abcde%x", i)
		opt.Keys = append(opt.Keys, Key{ID: fmt.Sprint("k", i), Secret: []byte(secret)})
	}
	s := compile(t, name, opt)
	r := &Request{Method: "POST", Target: "/in/x", Body: bytes.Repeat([]byte("x"), 1024), Header: []Field{
		{"Accept", "*/*"}, {"Content-Length", "1024"}, {"Content-Type", "application/json"}, {"Host", "hooks.example"},
		{"User-Agent", "bench"}, {"X-Request-Id", "1"},
	}}
	at := time.Unix(1700000000, 0)
	if err := s.Sign(r, fmt.Sprint("k", keys-1), at, "msg_1"); err != nil {
		t.Fatal(err)
	}
	return s, r, at
}

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"standard-webhooks", "github", "stripe", "slack", "hmac"} {
		for _, keys := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/keys=%d", name, keys), func(b *testing.B) {
				s, r, at := signed(b, name, keys)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Verify(r, at); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHash is the floor: the hash itself over the same bytes, with a state that knows the key.
func BenchmarkHash(b *testing.B) {
	h := hmac.New(sha256.New, []byte("0123456789abcdef0123456789abcdef"))
	body := bytes.Repeat([]byte("x"), 1024)
	var sum [32]byte
	for b.Loop() {
		h.Reset()
		h.Write(body)
		h.Sum(sum[:0])
	}
}

func BenchmarkIdentity(b *testing.B) {
	s, r, at := signed(b, "github", 1)
	p, err := s.Verify(r, at)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Identity(&p, nil)
	}
}
