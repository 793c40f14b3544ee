package interop_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// slackAccepts asks Slack's Go library, which checks the time too.
func slackAccepts(t *testing.T, h http.Header, body []byte, secret string) error {
	t.Helper()
	v, err := slack.NewSecretsVerifier(h, secret)
	if err != nil {
		return err
	}
	if _, err := v.Write(body); err != nil {
		t.Fatal(err)
	}
	return v.Ensure()
}

func TestDoorwardSignsAndSlackVerifies(t *testing.T) {
	const body = `{"type":"event_callback","event_id":"Ev1"}`
	h := signed(t, "slack", slackSecret, "", body, time.Now())
	if err := slackAccepts(t, h, []byte(body), slackSecret); err != nil {
		t.Errorf("refused: %v", err)
	}
	if err := slackAccepts(t, h, tampered([]byte(body)), slackSecret); err == nil {
		t.Error("another body was accepted")
	}
	old := signed(t, "slack", slackSecret, "", body, time.Now().Add(-6*time.Minute))
	if err := slackAccepts(t, old, []byte(body), slackSecret); err == nil {
		t.Error("six minutes ago was accepted")
	}
}

// TestSlackAndDoorwardAgree posts what Slack's library accepts and what it refuses.
func TestSlackAndDoorwardAgree(t *testing.T) {
	p := serve(t)
	at := time.Now()
	for i, c := range []struct {
		name   string
		change func(h http.Header, body []byte) []byte
		want   string // "" for an event
	}{
		{"as it is", func(_ http.Header, body []byte) []byte { return body }, ""},
		{"another body", func(_ http.Header, body []byte) []byte { return tampered(body) }, "bad_signature"},
		{"another time", func(h http.Header, body []byte) []byte {
			h.Set("X-Slack-Request-Timestamp", fmt.Sprint(at.Unix()+1))
			return body
		}, "bad_signature"},
		{"no signature", func(h http.Header, body []byte) []byte { h.Del("X-Slack-Signature"); return body }, "no_signature"},
		{"no time", func(h http.Header, body []byte) []byte { h.Del("X-Slack-Request-Timestamp"); return body }, "no_signature"},
		{"another version", func(h http.Header, body []byte) []byte {
			h.Set("X-Slack-Signature", "v1"+h.Get("X-Slack-Signature")[2:])
			return body
		}, "malformed_signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"type":"event_callback","event_id":"Ev%d","event":{"type":"app_mention"}}`, i)
			h := signed(t, "slack", slackSecret, "", body, at)
			sent := c.change(h, []byte(body))
			if err := slackAccepts(t, h, sent, slackSecret); (err == nil) != (c.want == "") {
				t.Errorf("Slack's library says %v", err)
			}
			if c.want != "" {
				p.refused(t, "chat", h, sent, c.want)
				return
			}
			if e := p.accepted(t, "chat", h, sent); e.Type != "com.slack.app_mention" || e.ID != "Ev0" {
				t.Errorf("event %s of type %s", e.ID, e.Type)
			}
		})
	}
}
