package interop_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// worker signs with the reference implementation; several secrets make several signatures.
func worker(t *testing.T, id string, at time.Time, body []byte, secrets ...string) http.Header {
	t.Helper()
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(at.Unix()))
	for i, secret := range secrets {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := wh.Sign(id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			sig = h.Get(standardwebhooks.HeaderWebhookSignature) + " " + sig
		}
		h.Set(standardwebhooks.HeaderWebhookSignature, sig)
	}
	return h
}

const unknownWorker = "whsec_bm90LWEta2V5LW9mLXRoaXMtc291cmNlLWF0LWFsbA=="

func TestStandardWebhooksSignsAndDoorwardVerifies(t *testing.T) {
	p := serve(t)
	now := time.Now()
	body := []byte(`{"type":"agent.task.completed","task":"t-1"}`)
	for i, c := range []struct {
		name    string
		secrets []string
		key     string
	}{
		{"the new key", []string{workersNew}, "new"},
		{"the old key", []string{workersOld}, "old"},
		{"both", []string{workersNew, workersOld}, "new"},
		{"both, the old one first", []string{workersOld, workersNew}, "new"},
		{"an unknown one before the old", []string{unknownWorker, workersOld}, "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("msg_%d", i)
			e := p.accepted(t, "workers", worker(t, id, now, body, c.secrets...), body)
			if e.ID != id || e.DwKeyID != c.key || e.Type != "agent.task.completed" || e.Time.Unix() != now.Unix() {
				t.Errorf("event %s of key %s, type %s, time %s", e.ID, e.DwKeyID, e.Type, e.Time)
			}
		})
	}
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		want   string
	}{
		"an unknown key":    {worker(t, "msg_a", now, body, unknownWorker), body, "bad_signature"},
		"another body":      {worker(t, "msg_b", now, body, workersNew), tampered(body), "bad_signature"},
		"six minutes ago":   {worker(t, "msg_c", now.Add(-6*time.Minute), body, workersNew), body, "stale"},
		"in six minutes":    {worker(t, "msg_d", now.Add(6*time.Minute), body, workersNew), body, "future"},
		"a delivery again":  {worker(t, "msg_0", now, body, workersNew), body, "duplicate"},
		"no headers at all": {http.Header{}, body, "no_signature"},
	} {
		t.Run(name, func(t *testing.T) { p.refused(t, "workers", c.header, c.body, c.want) })
	}
}

func TestDoorwardSignsAndStandardWebhooksVerifies(t *testing.T) {
	const body = `{"type":"agent.task.completed","task":"t-1"}`
	wh, err := standardwebhooks.NewWebhook(workersNew)
	if err != nil {
		t.Fatal(err)
	}
	h := signed(t, "standard-webhooks", workersNew, "msg_1", body, time.Now())
	if err := wh.Verify([]byte(body), h); err != nil {
		t.Errorf("refused: %v", err)
	}
	if err := wh.Verify(tampered([]byte(body)), h); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
		t.Errorf("another body: %v", err)
	}
	old := signed(t, "standard-webhooks", workersNew, "msg_1", body, time.Now().Add(-6*time.Minute))
	if err := wh.Verify([]byte(body), old); !errors.Is(err, standardwebhooks.ErrMessageTooOld) {
		t.Errorf("six minutes ago: %v", err)
	}
}
