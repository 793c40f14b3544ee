package signature

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// fuzzHeader feeds one scheme's signature header. What verifies must hold the genuine signature's text, letter for letter.
func fuzzHeader(f *testing.F, name string) {
	d := deliveries(f)[name]
	s, v := d.scheme(f, nil), d.variant(f)
	h := v.Signature.From.Arg
	genuine := d.request.value(h)
	text := genuine[strings.LastIndexAny(genuine[:len(genuine)-2], "=,")+1:]
	if v.Signature.Parse.Kind == "items" {
		p, err := s.Verify(&d.request, d.received)
		if err != nil {
			f.Fatal(err)
		}
		r := &Request{Body: d.request.Body}
		if err := s.Sign(r, "", p.SignedAt, d.id); err != nil {
			f.Fatal(err)
		}
		_, text, _ = strings.Cut(r.value(h), v.Signature.Parse.Tag+v.Signature.Parse.Pair)
	}
	for _, seed := range []string{genuine, "", text, genuine + genuine, strings.ToUpper(genuine), genuine[1:], " " + genuine, "t=,v1=", "v1, v1,", "==,,", genuine + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := d.request.with(h, func(string) string { return value })
		if reason(t, s, r, d.received) == "" && !strings.Contains(value, text) {
			t.Errorf("verified without the genuine signature: %q", value)
		}
	})
}

func FuzzPrefixHeader(f *testing.F)    { fuzzHeader(f, "github-issue") }
func FuzzRawHeader(f *testing.F)       { fuzzHeader(f, "hmac-body") }
func FuzzFieldsHeader(f *testing.F)    { fuzzHeader(f, "stripe-event") }
func FuzzTaggedHeader(f *testing.F)    { fuzzHeader(f, "standard-webhooks-openai") }
func FuzzPublicKeyHeader(f *testing.F) { fuzzHeader(f, "standard-webhooks-v1a") }

// FuzzEncodings: a text that decodes is the only one for its bytes.
func FuzzEncodings(f *testing.F) {
	for _, seed := range []string{"", "00", "Ff", "AAAA", "AA==", "AB==", "AA=\n", "_-8=", "+/8=", "\r\n", "==", strings.Repeat("A", 400)} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		if size < 0 || size > maxSize {
			return
		}
		for name, enc := range encodings {
			dst := make([]byte, size)
			if !enc.decode(dst, text) {
				continue
			}
			want := text
			if name == "hex_any" {
				want = strings.ToLower(text)
			}
			if got := enc.encode(dst); got != want {
				t.Errorf("%s: %q decodes to what is written %q", name, text, got)
			}
		}
	})
}

// FuzzTimestamp: a text that is a time is the only one for its time.
func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{"1700000000", "1700000000123", "+170000000", "", "١٧٠٠٠٠٠٠٠٠", "99999999999999999999"} {
		f.Add(seed)
	}
	clocks := []clock{{digits: 10, unit: time.Second}, {digits: 13, unit: time.Millisecond}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range clocks {
			at, ok := c.parse(text)
			if got := strings.TrimLeft(text, "0"); ok && got != "" && c.format(at) != got {
				t.Errorf("%q is read as %s", text, c.format(at))
			}
		}
	})
}

// FuzzRequest: no bytes anywhere make Verify fall over, and none verify but the genuine ones.
func FuzzRequest(f *testing.F) {
	all := deliveries(f)
	var names []string
	for name, d := range all {
		names = append(names, name)
		f.Add(name, 0, d.request.Header[0].Value, d.request.Body)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, name string, line int, value string, body []byte) {
		d := all[name]
		if d == nil || line < 0 || line >= len(d.request.Header) {
			return
		}
		r := d.request.body(func([]byte) []byte { return body })
		r.Header = slices.Clone(r.Header)
		r.Header[line].Value = value
		if reason(t, d.scheme(t, nil), r, d.received) == "" && !bytes.Equal(body, d.request.Body) {
			t.Errorf("verified another body")
		}
	})
}
