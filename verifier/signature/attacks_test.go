package signature

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
)

// attack changes a genuine request; the names are those of the catalogue of attacks.
type attack struct {
	name string
	make func(*Request) *Request
	want outcome.Reason
}

func run(t *testing.T, s *Scheme, r *Request, at time.Time, attacks []attack) {
	t.Helper()
	if got := reason(t, s, r, at); got != "" {
		t.Fatalf("the genuine request: got %q", got)
	}
	for _, a := range attacks {
		if got := reason(t, s, a.make(r), at); got != a.want {
			t.Errorf("%s: got %q, want %q", a.name, got, a.want)
		}
	}
}

// set makes an attack that writes one header.
func set(name string, value func(genuine string) string) func(*Request) *Request {
	return func(r *Request) *Request { return r.with(name, value) }
}

func always(value string) func(string) string { return func(string) string { return value } }

func TestAttacksOnPrefixed(t *testing.T) {
	s, r, at := signed(t, "github", 1)
	const h = "X-Hub-Signature-256"
	sha1 := strings.Repeat("0", 40)
	run(t, s, r, at, []attack{
		{"S01 missing", func(r *Request) *Request { return r.without(h) }, outcome.NoSignature},
		{"S01 empty", set(h, always("")), outcome.NoSignature},
		{"S01 only prefix", set(h, always("sha256=")), outcome.MalformedSignature},
		{"S05 sha1 in the header", set(h, always("sha1="+sha1)), outcome.MalformedSignature},
		{"S05 sha1 alone", func(r *Request) *Request { return r.without(h).plus(Field{"X-Hub-Signature", "sha1=" + sha1}) }, outcome.NoSignature},
		{"S05 sha1 beside a bad one", func(r *Request) *Request {
			return r.with(h, flipLast).plus(Field{"X-Hub-Signature", "sha1=" + sha1})
		}, outcome.BadSignature},
		{"S05 sha1 beside a good one", func(r *Request) *Request { return r.plus(Field{"X-Hub-Signature", "sha1=" + sha1}) }, ""},
		{"S07 prefix twice", set(h, func(v string) string { return "sha256=" + v }), outcome.MalformedSignature},
		{"S07 prefix in upper case", set(h, func(v string) string { return "SHA256=" + v[7:] }), outcome.MalformedSignature},
		{"S07 leading space", set(h, func(v string) string { return " " + v }), outcome.MalformedSignature},
		{"S08 first 16 bytes", set(h, func(v string) string { return v[:7+32] }), outcome.MalformedSignature},
		{"S08 more bytes", set(h, func(v string) string { return v + "00" }), outcome.MalformedSignature},
		{"S09 upper case", set(h, func(v string) string { return v[:7] + strings.ToUpper(v[7:]) }), outcome.MalformedSignature},
		{"S09 odd length", set(h, func(v string) string { return v[:len(v)-1] }), outcome.MalformedSignature},
		{"S09 not hex", set(h, func(v string) string { return v[:len(v)-1] + "g" }), outcome.MalformedSignature},
		{"S13 byte order mark", func(r *Request) *Request {
			return r.body(func(b []byte) []byte { return append([]byte("\ufeff"), b...) })
		}, outcome.BadSignature},
		{"S28 no header at all", func(r *Request) *Request { return &Request{Body: r.Body} }, outcome.NoSignature},
	})
}

func flipLast(v string) string {
	if v[len(v)-1] == '0' {
		return v[:len(v)-1] + "1"
	}
	return v[:len(v)-1] + "0"
}

// TestS04AnotherKey: a wrong secret, as another source would have.
func TestS04AnotherKey(t *testing.T) {
	s, r, at := signed(t, "github", 1)
	other := compile(t, "github", Options{Keys: []Key{{ID: "k0", Secret: []byte("other-" + strongSecret)}}})
	run(t, s, r, at, nil)
	if got := reason(t, other, r, at); got != outcome.BadSignature {
		t.Errorf("got %q, want %q", got, outcome.BadSignature)
	}
}

func TestAttacksOnItems(t *testing.T) {
	s, r, at := signed(t, "stripe", 1)
	const h = "Stripe-Signature"
	_, good, _ := strings.Cut(r.value(h), "v1=")
	bad := flipLast(good)
	const ts = "t=1700000000"
	run(t, s, r, at, []attack{
		{"S06 good v0, bad v1", set(h, always(ts+",v0="+good+",v1="+bad)), outcome.BadSignature},
		{"S06 only v0", set(h, always(ts+",v0="+good)), outcome.WrongAlgorithm},
		{"one of two", set(h, always(ts+",v1="+bad+",v1="+good)), ""},
		{"an ill-formed one beside", set(h, always(ts+",v1=x,v1="+good)), ""},
		{"only ill-formed ones", set(h, always(ts+",v1=x,v1=y")), outcome.MalformedSignature},
		{"time after the signature", set(h, always("v1="+good+","+ts)), ""},
		{"time twice", set(h, always(ts+","+ts+",v1="+good)), outcome.MalformedSignature},
		{"time empty, then good", set(h, always("t=,"+ts+",v1="+good)), outcome.MalformedSignature},
		{"no time", set(h, always("v1="+good)), outcome.MalformedSignature},
		{"space after the comma", set(h, always(ts+", v1="+good)), outcome.WrongAlgorithm},
		{"no value", set(h, always(ts+",v1")), outcome.MalformedSignature},
		{"an empty item", set(h, always(ts+",,v1="+good)), outcome.MalformedSignature},
		{"a comma at the end", set(h, always(ts+",v1="+good+",")), outcome.MalformedSignature},
		{"S11 eight signatures", set(h, always(ts+strings.Repeat(",v1="+bad, 7)+",v1="+good)), ""},
		{"S11 nine signatures", set(h, always(ts+strings.Repeat(",v1="+bad, 8)+",v1="+good)), outcome.MalformedSignature},
		{"S11 500 signatures", set(h, always(ts+strings.Repeat(",v1="+bad, 500)+",v1="+good)), outcome.MalformedSignature},
		{"S11 many other items", set(h, always(ts+strings.Repeat(",a=b", 20)+",v1="+good)), outcome.MalformedSignature},
	})
}

func TestAttacksOnTagged(t *testing.T) {
	for _, d := range []string{"standard-webhooks-openai", "standard-webhooks-v1a"} {
		d := deliveries(t)[d]
		const h = "Webhook-Signature"
		tag, good, _ := strings.Cut(d.request.value(h), ",")
		other := map[string]string{"v1": "v1a", "v1a": "v1"}[tag]
		run(t, d.scheme(t, nil), &d.request, d.received, []attack{
			{"S07 another tag", set(h, always(other+","+good)), outcome.WrongAlgorithm},
			{"S07 no tag", set(h, always(good)), outcome.MalformedSignature},
			{"S07 upper case", set(h, always("V1,"+good)), outcome.WrongAlgorithm},
			{"another tag beside", set(h, always(other+","+good+" "+tag+","+good)), ""},
			{"S10 line end inside", set(h, always(tag+","+good[:4]+"\n"+good[4:])), outcome.MalformedSignature},
			{"S10 no padding", set(h, always(tag+","+strings.TrimRight(good, "="))), outcome.MalformedSignature},
			{"S15 dot in the id", set("Webhook-Id", func(v string) string { return v[:3] + "." + v[3:] }), outcome.MalformedSignature},
			{"S15 long id", set("Webhook-Id", always(strings.Repeat("a", 257))), outcome.MalformedSignature},
		})
	}
}

// TestS15AmbiguousJoin: moving bytes between id, time and body gives the same signing input and must not verify.
func TestS15AmbiguousJoin(t *testing.T) {
	s := compile(t, "standard-webhooks", Options{Keys: []Key{{ID: "k", Secret: []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")}}})
	at := time.Unix(1700000000, 0)
	r := &Request{Body: []byte(`1700000000.{}`)}
	if err := s.Sign(r, "", at, "a"); err != nil {
		t.Fatal(err)
	}
	run(t, s, r, at, []attack{{"moved", func(r *Request) *Request {
		moved := r.with("Webhook-Id", always("a.1700000000"))
		moved.Body = []byte("{}")
		return moved
	}, outcome.MalformedSignature}})
}

// TestS18SignatureMalleability: S + L is the same point equation and must not verify.
func TestS18SignatureMalleability(t *testing.T) {
	d := deliveries(t)["standard-webhooks-v1a"]
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.request.value("Webhook-Signature"), "v1a,"))
	if err != nil {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	slices.Reverse(raw[32:])
	new(big.Int).Add(new(big.Int).SetBytes(raw[32:]), order).FillBytes(raw[32:])
	slices.Reverse(raw[32:])
	text := func(b []byte) func(string) string { return always("v1a," + base64.StdEncoding.EncodeToString(b)) }
	run(t, d.scheme(t, nil), &d.request, d.received, []attack{
		{"S18 S + L", set("Webhook-Signature", text(raw)), outcome.BadSignature},
		{"S18 63 bytes", set("Webhook-Signature", text(raw[:63])), outcome.MalformedSignature},
		{"S18 65 bytes", set("Webhook-Signature", text(append(slices.Clone(raw), 0))), outcome.MalformedSignature},
		{"S18 all zero", set("Webhook-Signature", text(make([]byte, 64))), outcome.BadSignature},
	})
}

// TestR06Boundaries: one second either side of tolerance and skew, as the source configures them.
func TestR06Boundaries(t *testing.T) {
	s := compile(t, "slack", Options{Tolerance: time.Minute, Skew: 10 * time.Second, Keys: []Key{{ID: "k", Secret: []byte(strongSecret)}}})
	at := time.Unix(1700000000, 0)
	r := &Request{Body: []byte("{}")}
	if err := s.Sign(r, "", at, ""); err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]outcome.Reason{
		61 * time.Second: outcome.Stale, 59 * time.Second: "", -9 * time.Second: "", -11 * time.Second: outcome.Future,
	} {
		if got := reason(t, s, r, at.Add(age)); got != want {
			t.Errorf("at age %s: got %q, want %q", age, got, want)
		}
	}
}

// TestR04R05R21Identity: aliases and unsigned labels don't make a new identity, nor does a repeat with a new time.
func TestR04R05R21Identity(t *testing.T) {
	identify := func(s *Scheme, r *Request, at time.Time) Identity {
		t.Helper()
		p, err := s.Verify(r, at)
		if err != nil {
			t.Fatal(err)
		}
		return s.Identity(&p, lookup(r.Body))
	}
	same := func(name string, a, b Identity) {
		t.Helper()
		if a.Class != b.Class || string(a.Material) != string(b.Material) {
			t.Errorf("%s: got another identity %+v, want %+v", name, b, a)
		}
	}
	gh := deliveries(t)["github-issue"]
	s := gh.scheme(t, nil)
	relabelled := identify(s, gh.request.with("X-Github-Delivery", always("fresh")), gh.received)
	same("R04 new label", identify(s, &gh.request, gh.received), relabelled)
	if relabelled.ID != "fresh" || relabelled.Signed {
		t.Errorf("got %+v, want an unsigned label", relabelled)
	}
	hm := deliveries(t)["hmac-timestamp"]
	s = hm.scheme(t, nil)
	lower := hm.request.with("X-Signature", strings.ToLower)
	same("R05 case", identify(s, &hm.request, hm.received), identify(s, lower, hm.received))
	for _, name := range []string{"stripe-event", "standard-webhooks-openai", "slack-event"} {
		d := deliveries(t)[name]
		s := d.scheme(t, nil)
		later := d.received.Add(time.Hour)
		again := &Request{Body: d.request.Body}
		if err := s.Sign(again, "", later, d.id); err != nil {
			t.Fatal(err)
		}
		same("R21 "+name, identify(s, &d.request, d.received), identify(s, again, later))
	}
}

// TestIdentityOfOddIDs: an id in the body that can't serve as one leaves the signing input as the material.
func TestIdentityOfOddIDs(t *testing.T) {
	d := deliveries(t)["stripe-event"]
	s := d.scheme(t, nil)
	p, err := s.Verify(&d.request, d.received)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		lookup func(string) (string, bool)
		class  byte
	}{
		"not JSON":  {nil, ClassInput},
		"missing":   {func(string) (string, bool) { return "", false }, ClassInput},
		"empty":     {func(string) (string, bool) { return "", true }, ClassInput},
		"257 bytes": {func(string) (string, bool) { return strings.Repeat("a", 257), true }, ClassInput},
		"256 bytes": {func(string) (string, bool) { return strings.Repeat("a", 256), true }, ClassID},
	} {
		if got := s.Identity(&p, tt.lookup); got.Class != tt.class || got.Signed != (tt.class == ClassID) || len(got.Material) == 0 {
			t.Errorf("%s: got %+v, want class %c", name, got, tt.class)
		}
	}
}

func TestCoverageIsComputed(t *testing.T) {
	want := map[string]Coverage{
		"standard-webhooks-svix": {Body: true, Timestamp: true, ID: true, Type: true},
		"stripe-event":           {Body: true, Timestamp: true, ID: true, Type: true},
		"slack-event":            {Body: true, Timestamp: true, ID: true, Type: true},
		"github-issue":           {Body: true},
		"hmac-body":              {Body: true, Type: true},
		"hmac-timestamp":         {Body: true, Timestamp: true, ID: true, Type: true},
	}
	for name, w := range want {
		if got := deliveries(t)[name].scheme(t, nil).Coverage(); got != w {
			t.Errorf("%s: got %+v, want %+v", name, got, w)
		}
	}
}

// TestRefusalsHoldNothingFromOutside: what an attacker writes never reaches a log through a refusal.
func TestRefusalsHoldNothingFromOutside(t *testing.T) {
	s, r, at := signed(t, "stripe", 1)
	_, err := s.Verify(r.with("Stripe-Signature", always("t=evil,v1="+hex.EncodeToString(make([]byte, 32)))), at)
	if err == nil || strings.Contains(err.Error(), "evil") {
		t.Errorf("got %v", err)
	}
}
