package signature

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// compile builds a scheme of one built-in provider, or ends the test.
func compile(t testing.TB, name string, opt Options) *Scheme {
	t.Helper()
	spec, err := provider.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(spec, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reason is what Verify says: "" for a proof.
func reason(t testing.TB, s *Scheme, r *Request, at time.Time) outcome.Reason {
	t.Helper()
	_, err := s.Verify(r, at)
	if err == nil {
		return ""
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %T, want a *Refusal", err)
	}
	return refusal.Reason
}

func TestStandardWebhooksVector(t *testing.T) {
	s := compile(t, "standard-webhooks", Options{AllowWeakSecret: true, Keys: []Key{{ID: "k", Secret: []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}}})
	r := &Request{Body: []byte(`{"test": 2432232314}`), Header: []Field{
		{"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
		{"Webhook-Timestamp", "1614265330"},
		{"Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}}
	at := time.Unix(1614265330, 0)
	if got := reason(t, s, r, at); got != "" {
		t.Fatalf("got %s, want a proof", got)
	}
	r.Body[0] = '['
	if got := reason(t, s, r, at); got != outcome.BadSignature {
		t.Fatalf("got %s, want %s", got, outcome.BadSignature)
	}
}
