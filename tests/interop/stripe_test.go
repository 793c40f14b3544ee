package interop_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

// payment signs with Stripe's own test helper.
func payment(body []byte, secret string, at time.Time) http.Header {
	p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at})
	return http.Header{"Stripe-Signature": {p.Header}}
}

func TestStripeSignsAndDoorwardVerifies(t *testing.T) {
	p := serve(t)
	now := time.Now()
	body := func(id string) []byte {
		return fmt.Appendf(nil, `{"id":"evt_%s","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_1"}}}`, id)
	}
	e := p.accepted(t, "payments", payment(body("1"), stripeSecret, now), body("1"))
	if e.ID != "evt_1" || e.Type != "com.stripe.charge.succeeded" || e.Subject != "ch_1" || e.DwKeyID != "s1" {
		t.Errorf("event %s, type %s, subject %s, key %s", e.ID, e.Type, e.Subject, e.DwKeyID)
	}
	t.Run("two signatures while the secret is rolled", func(t *testing.T) {
		other := hex.EncodeToString(webhook.ComputeSignature(now, body("2"), "whsec_the_other_secret"))
		ours := hex.EncodeToString(webhook.ComputeSignature(now, body("2"), stripeSecret))
		header := fmt.Sprintf("t=%d,v1=%s,v1=%s,v0=%s", now.Unix(), other, ours, other)
		p.accepted(t, "payments", http.Header{"Stripe-Signature": {header}}, body("2"))
	})
	v0 := fmt.Sprintf("t=%d,v0=%s", now.Unix(), hex.EncodeToString(webhook.ComputeSignature(now, body("3"), stripeSecret)))
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		want   string
	}{
		"another secret":           {payment(body("3"), "whsec_the_other_secret", now), body("3"), "bad_signature"},
		"another body":             {payment(body("3"), stripeSecret, now), tampered(body("3")), "bad_signature"},
		"six minutes ago":          {payment(body("3"), stripeSecret, now.Add(-6*time.Minute)), body("3"), "stale"},
		"an event signed again":    {payment(body("1"), stripeSecret, now.Add(time.Second)), body("1"), "duplicate"},
		"a good signature as v0":   {http.Header{"Stripe-Signature": {v0}}, body("3"), "wrong_algorithm"},
		"a signature but no time":  {http.Header{"Stripe-Signature": {"v1=" + hex.EncodeToString(make([]byte, 32))}}, body("3"), "malformed_signature"},
		"the other vendor's proof": {worker(t, "msg_1", now, body("3"), workersNew), body("3"), "no_signature"},
	} {
		t.Run(name, func(t *testing.T) { p.refused(t, "payments", c.header, c.body, c.want) })
	}
}

func TestDoorwardSignsAndStripeVerifies(t *testing.T) {
	const body = `{"id":"evt_1","object":"event","type":"charge.succeeded"}`
	h := signed(t, "stripe", stripeSecret, "", body, time.Now()).Get("Stripe-Signature")
	if err := webhook.ValidatePayload([]byte(body), h, stripeSecret); err != nil {
		t.Errorf("refused: %v", err)
	}
	if err := webhook.ValidatePayload(tampered([]byte(body)), h, stripeSecret); err == nil {
		t.Error("another body was accepted")
	}
	old := signed(t, "stripe", stripeSecret, "", body, time.Now().Add(-6*time.Minute)).Get("Stripe-Signature")
	if err := webhook.ValidatePayload([]byte(body), old, stripeSecret); err == nil {
		t.Error("six minutes ago was accepted")
	}
}
