package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

const strongSecret = "0123456789abcdef0123456789abcdef"

// TestCompileRefusesKeys covers S02, S03, S21 and S22: what must not become a key.
func TestCompileRefusesKeys(t *testing.T) {
	long := strings.Repeat("long secret ", 8) + "."
	sum := sha256.Sum256([]byte(long))
	one := func(secret string) []Key { return []Key{{ID: "a", Secret: []byte(secret)}} }
	two := func(a, b string) []Key { return []Key{{ID: "a", Secret: []byte(a)}, {ID: "b", Secret: []byte(b)}} }
	tests := []struct {
		name, provider string
		keys           []Key
		weak           bool
		want           string // "" compiles
	}{
		{"strong", "github", one(strongSecret), false, ""},
		{"none", "github", nil, true, "no keys"},
		{"empty", "github", one(""), true, "empty"},
		{"blank", "github", one(" \t\n"), true, "empty"},
		{"NULs", "github", one(strings.Repeat("\x00", 32)), true, "empty"},
		{"only a prefix", "standard-webhooks", one("whsec_"), true, "0 bytes"},
		{"23 bytes", "github", one(strongSecret[:23]), false, "fewer than 24"},
		{"23 bytes, allowed", "github", one(strongSecret[:23]), true, ""},
		{"24 bytes", "github", one(strongSecret[:24]), false, ""},
		{"23 bytes after decoding", "standard-webhooks", one("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23))), false, "fewer than 24"},
		{"24 bytes after decoding", "standard-webhooks", one("whsec_" + base64.StdEncoding.EncodeToString([]byte(strongSecret)[:24])), false, ""},
		{"a stray line end", "github", one(strongSecret + "\n"), false, "white space"},
		{"not base64", "standard-webhooks", one("whsec_" + strings.Repeat("!", 40)), true, "not base64"},
		{"base64 with a line end", "standard-webhooks", one("whsec_MDEyMzQ1Njc4OWFi\r\nY2RlZjAxMjM0NTY3ODlhYmNkZWY="), true, "not base64"},
		{"a public key for a shared one", "standard-webhooks", one("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="), true, "not base64"},
		{"PEM", "github", one("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"), true, "PEM"},
		{"published", "github", one("It's a Secret to Everybody"), false, "published"},
		{"published, allowed", "github", one("It's a Secret to Everybody"), true, ""},
		{"two", "github", two(strongSecret, strongSecret+"x"), false, ""},
		{"twice the same", "github", two(strongSecret, strongSecret), false, "the same key as \"a\""},
		{"the same but for NULs", "github", two(strongSecret, strongSecret+"\x00"), true, "the same key as \"a\""},
		{"a long one and its digest", "github", two(long, string(sum[:])), true, "the same key as \"a\""},
		{"a private half for a shared one", "github", []Key{{ID: "a", Secret: []byte(strongSecret), Private: []byte("x")}}, true, "private half"},
		{"one id twice", "github", []Key{{ID: "a", Secret: []byte(strongSecret)}, {ID: "a", Secret: []byte(long)}}, false, "id is there twice"},
		{"seventeen", "github", make([]Key, 17), true, "more than 16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := provider.Load(tt.provider)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compile(spec, Options{Keys: tt.keys, AllowWeakSecret: tt.weak})
			if got := message(err); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, k := range tt.keys {
				if len(k.Secret) > 8 && strings.Contains(message(err), string(k.Secret)) {
					t.Errorf("the error shows the secret: %v", err)
				}
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestS17KeyValidity: keys are judged by the time of receipt, and only if they signed.
func TestS17KeyValidity(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := compile(t, "github", Options{Keys: []Key{
		{ID: "old", Secret: []byte("old-" + strongSecret), NotAfter: noon},
		{ID: "new", Secret: []byte("new-" + strongSecret), NotBefore: noon.Add(-time.Hour)},
		{ID: "leaked", Secret: []byte("leaked-" + strongSecret), Revoked: true},
	}})
	tests := []struct {
		key  string
		at   time.Time
		want outcome.Reason
	}{
		{"old", noon, ""},
		{"old", noon.Add(time.Second), outcome.KeyExpired},
		{"new", noon.Add(-time.Hour), ""},
		{"new", noon.Add(-time.Hour - time.Second), outcome.KeyExpired},
		{"leaked", noon, outcome.KeyRevoked},
		{"leaked", noon.AddDate(-10, 0, 0), outcome.KeyRevoked},
	}
	for _, tt := range tests {
		r := &Request{Body: []byte("{}")}
		if err := s.Sign(r, tt.key, tt.at, ""); err != nil {
			t.Fatal(err)
		}
		if got := reason(t, s, r, tt.at); got != tt.want {
			t.Errorf("%s at %s: got %q, want %q", tt.key, tt.at, got, tt.want)
		}
		r.Body = []byte("[]")
		if got := reason(t, s, r, tt.at); got != outcome.BadSignature {
			t.Errorf("%s forged: got %q, want %q", tt.key, got, outcome.BadSignature)
		}
	}
}

// TestKeyOfProof: the proof names the key that signed; a valid key's signature counts beside a revoked one's.
func TestKeyOfProof(t *testing.T) {
	keys := []Key{{ID: "leaked", Secret: []byte("leaked-" + strongSecret), Revoked: true}, {ID: "good", Secret: []byte(strongSecret)}}
	s := compile(t, "stripe", Options{Keys: keys})
	at := time.Unix(1763725000, 0)
	sign := func(key string) string {
		r := &Request{Body: []byte("{}")}
		if err := s.Sign(r, key, at, ""); err != nil {
			t.Fatal(err)
		}
		return r.value("Stripe-Signature")
	}
	_, second, _ := strings.Cut(sign("good"), ",")
	r := &Request{Body: []byte("{}"), Header: []Field{{"Stripe-Signature", sign("leaked") + "," + second}}}
	p, err := s.Verify(r, at)
	if err != nil || p.KeyID != "good" || p.Scheme != "stripe/v1" || p.Assurance != "message" || !p.SignedAt.Equal(at) {
		t.Errorf("got %+v, %v", p, err)
	}
}

// TestRevokedSpeaksLouder: where only invalid keys signed, a leaked one is the news.
func TestRevokedSpeaksLouder(t *testing.T) {
	at := time.Unix(1763725000, 0)
	s := compile(t, "stripe", Options{Keys: []Key{
		{ID: "old", Secret: []byte("old-" + strongSecret), NotAfter: at.Add(-time.Hour)},
		{ID: "leaked", Secret: []byte("leaked-" + strongSecret), Revoked: true},
		{ID: "older", Secret: []byte("older-" + strongSecret), NotAfter: at.Add(-time.Hour)},
	}})
	header := "t=1763725000"
	for _, key := range []string{"old", "leaked", "older"} {
		r := &Request{}
		if err := s.Sign(r, key, at, ""); err != nil {
			t.Fatal(err)
		}
		_, item, _ := strings.Cut(r.value("Stripe-Signature"), ",")
		header += "," + item
	}
	r := &Request{Header: []Field{{"Stripe-Signature", header}}}
	if got := reason(t, s, r, at); got != outcome.KeyRevoked {
		t.Errorf("got %q, want %q", got, outcome.KeyRevoked)
	}
}

// TestS18PublicKeys: a key under which anybody can sign is refused when it is configured.
func TestS18PublicKeys(t *testing.T) {
	spec, err := provider.Load("standard-webhooks")
	if err != nil {
		t.Fatal(err)
	}
	try := func(public []byte) error {
		secret := "whpk_" + base64.StdEncoding.EncodeToString(public)
		_, err := Compile(spec, Options{With: map[string]string{"variant": "v1a"}, AllowWeakSecret: true, Keys: []Key{{ID: "k", Secret: []byte(secret)}}})
		return err
	}
	honest := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	if err := try(honest); err != nil {
		t.Errorf("an honest key: got %v", err)
	}
	for _, weak := range weakPoints {
		public, _ := hex.DecodeString(weak)
		for _, sign := range []byte{0, 0x80} {
			public[31] = public[31]&0x7f | sign
			if err := try(public); err == nil {
				t.Errorf("small order %x: got no error", public)
			}
		}
	}
	for low := 0xed; low <= 0xff; low++ {
		public := bytes.Repeat([]byte{0xff}, 32)
		public[0], public[31] = byte(low), 0x7f
		if err := try(public); err == nil {
			t.Errorf("non-canonical %x: got no error", public)
		}
	}
	for _, n := range []int{31, 33, 64} {
		if err := try(bytes.Repeat([]byte{7}, n)); err == nil {
			t.Errorf("%d bytes: got no error", n)
		}
	}
}

// TestWeakPointsAreDangerous shows why each refused point is: without any private key, R = identity and S = 0 is a
// signature for some message out of few.
func TestWeakPointsAreDangerous(t *testing.T) {
	forged := make([]byte, 64)
	forged[0] = 1
	for _, weak := range weakPoints {
		public, _ := hex.DecodeString(weak)
		accepted := false
		for i := range 256 {
			accepted = accepted || ed25519.Verify(public, []byte{byte(i)}, forged)
		}
		if !accepted {
			t.Errorf("%s: no forgery was accepted, is it of small order?", weak)
		}
	}
}

func TestPrivateHalves(t *testing.T) {
	spec, err := provider.Load("standard-webhooks")
	if err != nil {
		t.Fatal(err)
	}
	seed := bytes.Repeat([]byte{1}, 32)
	private := ed25519.NewKeyFromSeed(seed)
	text := func(prefix string, b []byte) []byte { return []byte(prefix + base64.StdEncoding.EncodeToString(b)) }
	tests := map[string]struct {
		private []byte
		want    string
	}{
		"none":          {nil, "no private half"},
		"seed":          {text("whsk_", seed), ""},
		"seed and key":  {text("whsk_", private), ""},
		"another's":     {text("whsk_", bytes.Repeat([]byte{2}, 32)), "another public key"},
		"of odd length": {text("whsk_", seed[:31]), "neither 32 nor 64"},
		"not base64":    {[]byte("whsk_!"), "not base64"},
	}
	for name, tt := range tests {
		s, err := Compile(spec, Options{With: map[string]string{"variant": "v1a"}, Keys: []Key{{ID: "k", Secret: text("whpk_", private[32:]), Private: tt.private}}})
		if err == nil {
			err = s.Sign(&Request{}, "k", time.Unix(1763725000, 0), "msg_1")
		}
		if got := message(err); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestSecretsAreNeverSniffed: the same text is another key under another spec.
func TestSecretsAreNeverSniffed(t *testing.T) {
	whole := compile(t, "stripe", Options{Keys: []Key{{ID: "k", Secret: []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")}}})
	decoded := compile(t, "standard-webhooks", Options{Keys: []Key{{ID: "k", Secret: []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")}}})
	if _, _, shared := whole.SharesKey(decoded); shared {
		t.Error("got one key, want two")
	}
	if plain := newHMACKey("hmac-sha256", []byte(strongSecret)); !decoded.keys[0].material.same(plain) {
		t.Error("the decoded secret is not the base64 text's bytes")
	}
}

// TestCompileBoundsReads: a content of more values than a request's work has room for is refused.
func TestCompileBoundsReads(t *testing.T) {
	for n, want := range map[int]string{7: "", 8: "needs 9 values"} {
		var content, headers []string
		for i := range n {
			name := "x-h" + strings.Repeat("h", i)
			content, headers = append(content, "{header: "+name+"}, {lit: .}"), append(headers, name+": id")
		}
		spec, err := provider.Parse([]byte("{id: t, docs: 'https://example.com', checked_at: '2026-11-21', variants: [{name: v, keys: {kind: shared, decode: [utf8]}," +
			"signature: {from: {header: x-s}, parse: {kind: raw}, enc: hex}, algo: hmac-sha256," +
			"content: [" + strings.Join(content, ", ") + ", body], headers: {" + strings.Join(headers, ", ") + "}}]}"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(spec, Options{Keys: []Key{{ID: "k", Secret: []byte(strongSecret)}}})
		if got := message(err); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%d headers: got %q, want %q", n, got, want)
		}
	}
}

// TestR14SharedKeys: two sources that hold one key are found, whatever their schemes.
func TestR14SharedKeys(t *testing.T) {
	scheme := func(name string, with map[string]string, secret string) *Scheme {
		return compile(t, name, Options{With: with, Keys: []Key{{ID: name, Secret: []byte(secret)}}})
	}
	github := scheme("github", nil, strongSecret)
	sha512 := scheme("hmac", map[string]string{"header": "x", "hash": "sha512"}, strongSecret)
	if a, b, shared := github.SharesKey(sha512); !shared || a != "github" || b != "hmac" {
		t.Errorf("got %s, %s, %v", a, b, shared)
	}
	if _, _, shared := github.SharesKey(scheme("slack", nil, strongSecret+"x")); shared {
		t.Error("got a shared key, want none")
	}
}

// TestToleranceWithoutTime: a tolerance that nothing would apply is refused.
func TestToleranceWithoutTime(t *testing.T) {
	for name, want := range map[string]string{"slack": "", "github": "signs no time"} {
		spec, err := provider.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(spec, Options{Tolerance: time.Minute, Keys: []Key{{ID: "k", Secret: []byte(strongSecret)}}})
		if got := message(err); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
