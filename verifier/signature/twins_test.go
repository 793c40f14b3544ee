package signature

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// twin is a delivery with one thing changed, and what must become of it.
type twin struct {
	name    string
	request *Request
	at      time.Time
	want    outcome.Reason
}

// TestDeliveriesAndTheirTwins verifies each recorded delivery, then every tampered twin that its spec implies.
func TestDeliveriesAndTheirTwins(t *testing.T) {
	for name, d := range deliveries(t) {
		t.Run(name, func(t *testing.T) {
			s, v := d.scheme(t, nil), d.variant(t)
			if got := reason(t, s, &d.request, d.received); got != "" {
				t.Fatalf("the genuine delivery: got %s", got)
			}
			twins := slices.Concat(bodyTwins(d), headerTwins(d, v), signatureTwins(d, v), timeTwins(d, s, v))
			for _, w := range twins {
				if got := reason(t, s, w.request, w.at); got != w.want {
					t.Errorf("%s: got %q, want %q", w.name, got, w.want)
				}
			}
		})
	}
}

func bodyTwins(d *delivery) []twin {
	changes := map[string]func([]byte) []byte{
		"first bit":      func(b []byte) []byte { b[0] ^= 0x80; return b },
		"last bit":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"truncated":      func(b []byte) []byte { return b[:len(b)-1] },
		"empty":          func([]byte) []byte { return nil },
		"line end":       func(b []byte) []byte { return append(b, '\n') },
		"white space":    func(b []byte) []byte { return append([]byte(" "), b...) },
		"byte order":     func(b []byte) []byte { return append([]byte("\ufeff"), b...) },
		"NUL":            func(b []byte) []byte { return append(b, 0) },
		"twice the body": func(b []byte) []byte { return append(b, b...) },
	}
	var out []twin
	for name, change := range changes {
		out = append(out, twin{"body: " + name, d.request.body(change), d.received, outcome.BadSignature})
	}
	return out
}

func headerTwins(d *delivery, v *provider.Variant) []twin {
	var out []twin
	add := func(name string, r *Request, want outcome.Reason) { out = append(out, twin{name, r, d.received, want}) }
	for _, h := range v.Shape() {
		value := d.request.value(h.Name)
		add(h.Name+" missing", d.request.without(h.Name), outcome.NoSignature)
		add(h.Name+" empty", d.request.with(h.Name, func(string) string { return "" }), outcome.NoSignature)
		add(h.Name+" twice", d.request.plus(Field{h.Name, value}), outcome.MalformedSignature)
		add(h.Name+" twice, empty", d.request.plus(Field{h.Name, ""}), outcome.MalformedSignature)
		add(h.Name+" of a megabyte", d.request.with(h.Name, func(string) string { return strings.Repeat("a", 1<<20) }), outcome.MalformedSignature)
		add(h.Name+" with a control byte", d.request.with(h.Name, func(s string) string { return s + "\t" }), outcome.MalformedSignature)
	}
	for _, term := range v.Content {
		if term.Kind == provider.Header {
			add(term.Arg+" changed", d.request.with(term.Arg, func(s string) string { return s + "x" }), outcome.BadSignature)
			add(term.Arg+" with a dot", d.request.with(term.Arg, func(s string) string { return s + ".x" }), outcome.MalformedSignature)
		}
	}
	return out
}

// signatureTwins are other texts for the same signature, and texts for no signature.
func signatureTwins(d *delivery, v *provider.Variant) []twin {
	lead := v.Signature.Parse.Prefix
	if v.Signature.Parse.Kind == "items" {
		lead = v.Signature.Parse.Tag + v.Signature.Parse.Pair
	}
	name := v.Signature.From.Arg
	value := d.request.value(name)
	at := strings.Index(value, lead) + len(lead)
	if v.Signature.Parse.Kind == "items" {
		at = strings.LastIndex(value, lead) + len(lead)
	}
	text := value[at : at+provider.EncodedLen(v.Signature.Encoding, provider.Algorithms[v.Algorithm])]
	var out []twin
	add := func(what, text string, want outcome.Reason) {
		r := d.request.with(name, func(string) string { return d.only(v, text) })
		out = append(out, twin{"signature: " + what, r, d.received, want})
	}
	add("alone", text, "")
	for _, alias := range aliases(v.Signature.Encoding, text) {
		add("alias "+alias, alias, outcome.MalformedSignature)
	}
	add("truncated by half", text[:len(text)/2], outcome.MalformedSignature)
	add("extended", text+text[:2], outcome.MalformedSignature)
	add("with a line end", text[:4]+"\n"+text[5:], outcome.MalformedSignature)
	add("another", flip(text), outcome.BadSignature)
	if lead != "" {
		add("prefix twice", lead+text, outcome.MalformedSignature)
		upper := strings.Replace(value, lead, strings.ToUpper(lead), -1)
		want := outcome.MalformedSignature
		if v.Signature.Parse.Kind == "items" {
			want = outcome.WrongAlgorithm
		}
		r := d.request.with(name, func(string) string { return upper })
		out = append(out, twin{"prefix in upper case", r, d.received, want})
		r = d.request.with(name, func(s string) string { return " " + s })
		out = append(out, twin{"leading space", r, d.received, outcome.MalformedSignature})
	}
	return out
}

// only writes the signature header with one signature, and the delivery's own other items.
func (d *delivery) only(v *provider.Variant, text string) string {
	p := v.Signature.Parse
	if p.Kind != "items" {
		return p.Prefix + text
	}
	var keep []string
	for _, item := range strings.Split(d.request.value(v.Signature.From.Arg), p.Split) {
		if !strings.HasPrefix(item, p.Tag+p.Pair) {
			keep = append(keep, item)
		}
	}
	return strings.Join(append(keep, p.Tag+p.Pair+text), p.Split)
}

// aliases are texts that a lax decoder takes for the same bytes.
func aliases(encoding, text string) []string {
	switch encoding {
	case "hex":
		return []string{strings.ToUpper(text)}
	case "base64", "base64url":
		bare := strings.TrimRight(text, "=")
		out := []string{text[:8] + "\r\n" + text[8:], text + "\n"}
		if bare != text { // there are unused bits
			last := strings.IndexByte(alphabet, bare[len(bare)-1])
			out = append(out, bare, bare[:len(bare)-1]+alphabet[last+1:last+2]+text[len(bare):])
		}
		swapped := strings.NewReplacer("+", "-", "/", "_", "-", "+", "_", "/").Replace(text)
		if swapped != text {
			out = append(out, swapped)
		}
		return out
	}
	return nil
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// flip changes one digit of a signature's text within its alphabet.
func flip(text string) string {
	b := []byte(text)
	if b[0]++; text[0] == '9' || text[0]|0x20 == 'f' || text[0]|0x20 == 'z' || text[0] == '+' || text[0] == '-' {
		b[0] = '0'
	}
	return string(b)
}

func timeTwins(d *delivery, s *Scheme, v *provider.Variant) []twin {
	if v.Timestamp == nil {
		return []twin{{"ten years later", &d.request, d.received.AddDate(10, 0, 0), ""}}
	}
	p, err := s.Verify(&d.request, d.received)
	if err != nil {
		return nil
	}
	past, future := s.Freshness()
	out := []twin{
		{"at the tolerance", &d.request, p.SignedAt.Add(past), ""},
		{"past the tolerance", &d.request, p.SignedAt.Add(past + time.Millisecond), outcome.Stale},
		{"at the skew", &d.request, p.SignedAt.Add(-future), ""},
		{"before the skew", &d.request, p.SignedAt.Add(-future - time.Millisecond), outcome.Future},
		{"forged and stale", d.request.body(func([]byte) []byte { return nil }), p.SignedAt.AddDate(1, 0, 0), outcome.BadSignature},
	}
	digits := s.clock.format(p.SignedAt)
	retime := func(to string) *Request {
		from := v.Timestamp.From
		if from.Kind == provider.Header {
			return d.request.with(from.Arg, func(string) string { return to })
		}
		pair := from.Arg + v.Signature.Parse.Pair
		return d.request.with(v.Signature.From.Arg, func(s string) string { return strings.Replace(s, pair+digits, pair+to, 1) })
	}
	out = append(out, twin{"time changed", retime(digits[:len(digits)-1] + "9"), d.received, outcome.BadSignature})
	for _, bad := range []string{"+" + digits[1:], "-" + digits[1:], " " + digits[1:], "0" + digits, digits + ".5", digits + "000", digits[1:],
		"1e9", "0x65a0bc00", "99999999999999999999", "١٧٦٣٧٢٥٠٠٠"} {
		out = append(out, twin{"time " + bad, retime(bad), d.received, outcome.MalformedSignature})
	}
	return out
}

func TestDeliveriesIdentity(t *testing.T) {
	for name, d := range deliveries(t) {
		t.Run(name, func(t *testing.T) {
			s := d.scheme(t, nil)
			p, err := s.Verify(&d.request, d.received)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Identity(&p, lookup(d.request.Body))
			if got.ID != d.id || got.Class != d.class || got.Signed != (d.class == ClassID) {
				t.Errorf("got id %q class %c signed %v, want %q class %c", got.ID, got.Class, got.Signed, d.id, d.class)
			}
			want := []byte(d.id)
			if d.class != ClassID {
				sum := sha256.Sum256(input{content: s.content, values: d.values(s), body: d.request.Body}.whole())
				want = sum[:]
			}
			if !bytes.Equal(got.Material, want) {
				t.Errorf("got material %x, want %x", got.Material, want)
			}
		})
	}
}

// whole is the content, written the slow way.
func (in input) whole() []byte {
	var out []byte
	for _, seg := range in.content {
		switch seg.kind {
		case segLit:
			out = append(out, seg.lit...)
		case segValue:
			out = append(out, in.values[seg.slot]...)
		default:
			out = append(out, in.body...)
		}
	}
	return out
}

func (d *delivery) values(s *Scheme) *[maxReads]string {
	var values [maxReads]string
	for slot, r := range s.reads {
		values[slot] = d.request.value(r.shape.Name)
	}
	return &values
}

// TestSignMakesTheRecordedHeaders signs each recorded delivery again and compares the bytes.
func TestSignMakesTheRecordedHeaders(t *testing.T) {
	for name, d := range deliveries(t) {
		t.Run(name, func(t *testing.T) {
			s := d.scheme(t, nil)
			p, err := s.Verify(&d.request, d.received)
			if err != nil {
				t.Fatal(err)
			}
			at := p.SignedAt
			if at.IsZero() {
				at = d.received
			}
			r := &Request{Body: d.request.Body}
			if err := s.Sign(r, "", at, d.id); err != nil {
				t.Fatal(err)
			}
			v := d.variant(t)
			for _, h := range v.Shape() {
				got, want := r.value(h.Name), d.request.value(h.Name)
				if v.Signature.Encoding == "hex_any" {
					got, want = strings.ToLower(got), strings.ToLower(want)
				}
				if v.Signature.Parse.Kind == "items" && h.Name == v.Signature.From.Arg {
					got = got[strings.LastIndex(got, v.Signature.Parse.Tag):] // the recorded one may hold others too
				}
				if !strings.Contains(want, got) {
					t.Errorf("%s: got %s, want %s", h.Name, got, want)
				}
			}
			if got := reason(t, s, r, at); got != "" {
				t.Errorf("verify what was signed: got %s", got)
			}
		})
	}
}
