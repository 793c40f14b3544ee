package interop_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/doorward/doorward/verifier/signature"
)

// vectors are signatures that vendors publish, made by nobody here.
var vectors = []struct {
	name, provider, secret string
	at                     int64
	header                 []signature.Field
	body                   string
}{
	{"Slack, Verifying requests", "slack", "8f742231b10e8888abcd99yyyzzz85a5", 1531420618, []signature.Field{
		{Name: "X-Slack-Request-Timestamp", Value: "1531420618"},
		{Name: "X-Slack-Signature", Value: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
	}, "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"},
	{"GitHub, Validating webhook deliveries", "github", "It's a Secret to Everybody", 1700000000, []signature.Field{
		{Name: "X-Hub-Signature-256", Value: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
	}, "Hello, World!"},
	{"Standard Webhooks, Svix's tests", "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330, []signature.Field{
		{Name: "Webhook-Id", Value: "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {Name: "Webhook-Timestamp", Value: "1614265330"},
		{Name: "Webhook-Signature", Value: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}, `{"test": 2432232314}`},
	{"Standard Webhooks, Svix's manual", "standard-webhooks", "whsec_plJ3nmyCDGBKInavdOK15jsl", 1731705121, []signature.Field{
		{Name: "Webhook-Id", Value: "msg_loFOjxBNrRLzqYUf"}, {Name: "Webhook-Timestamp", Value: "1731705121"},
		{Name: "Webhook-Signature", Value: "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="},
	}, `{"event_type":"ping","data":{"success":true}}`},
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			s, at := scheme(t, v.provider, v.secret), time.Unix(v.at, 0)
			r := signature.Request{Method: http.MethodPost, Target: "/", Header: v.header, Body: []byte(v.body)}
			if _, err := s.Verify(&r, at); err != nil {
				t.Errorf("refused: %v", err)
			}
			ours := signature.Request{Method: http.MethodPost, Target: "/", Body: []byte(v.body)}
			if err := s.Sign(&ours, "", at, v.header[0].Value); err != nil {
				t.Fatal(err)
			}
			last := v.header[len(v.header)-1]
			if got := ours.Header[len(ours.Header)-1]; got != last {
				t.Errorf("Doorward signs %v, want %v", got, last)
			}
			r.Body = append([]byte(v.body), ' ')
			if _, err := s.Verify(&r, at); err == nil {
				t.Error("another body was accepted")
			}
		})
	}
}

// TestGitHubOverTheProgram signs with the standard library, as GitHub documents it.
func TestGitHubOverTheProgram(t *testing.T) {
	p := serve(t)
	body := []byte(`{"action":"opened","repository":{"full_name":"a/b"},"issue":{"number":7}}`)
	sign := func(secret string) http.Header {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Github-Event": {"issues"}, "X-Github-Delivery": {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}}
	}
	e := p.accepted(t, "code", sign(githubSecret), body)
	if e.Type != "com.github.issues.opened" || e.Subject != "a/b#7" {
		t.Errorf("event of type %s, subject %s", e.Type, e.Subject)
	}
	p.refused(t, "code", sign("another secret of enough length"), body, "bad_signature")
	p.refused(t, "code", sign(githubSecret), body, "duplicate")
	// Recorded under another label, since this one is not signed: still the same delivery.
	again := sign(githubSecret)
	again.Set("X-Github-Delivery", "00000000-0000-0000-0000-000000000000")
	p.refused(t, "code", again, body, "duplicate")
}
