package dispatcher_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestHTTPTargetGetsASignedCloudEvent(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			r := receive(t, nil)
			secret, ref := secretRef(t)
			target := httpTarget(r.URL)
			target.HTTP.Sign, target.HTTP.Mode = ref, mode
			w := start(t, options{targets: map[string]config.Target{"billing": target}, ports: []int{r.port()}})
			e := someEvent(1)
			w.publish(e)
			got := r.wait(t, 1)[0]
			w.settled("billing")
			hook, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := hook.Verify(got.body, got.header); err != nil {
				t.Errorf("the library refuses the signature: %v", err)
			}
			if err := hook.Verify(append(got.body, ' '), got.header); err == nil {
				t.Error("the library takes another body under the same signature")
			}
			if id := got.header.Get("webhook-id"); id != e.ID {
				t.Errorf("webhook-id %q, want %q", id, e.ID)
			}
			if mode == "binary" {
				if got.header.Get("Content-Type") != "application/json" || string(got.body) != string(e.Data) || got.header.Get("ce-dwkeyid") != "k1" || got.header.Get("ce-datacontenttype") != "" {
					t.Errorf("binary: %v %s", got.header, got.body)
				}
				return
			}
			var doc map[string]json.RawMessage
			if err := json.Unmarshal(got.body, &doc); err != nil {
				t.Fatal(err)
			}
			if got.header.Get("Content-Type") != "application/cloudevents+json" || string(doc["data"]) != string(e.Data) || string(doc["dwkeyid"]) != `"k1"` {
				t.Errorf("structured: %v %s", got.header, got.body)
			}
		})
	}
}

func TestRetryThenSuccess(t *testing.T) {
	r := receive(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}})
	w.publish(someEvent(1))
	w.settled("billing")
	got := r.requests()
	if len(got) != 3 || got[0].header.Get("webhook-id") != got[2].header.Get("webhook-id") {
		t.Errorf("%d requests, want 3 with one id", len(got))
	}
	w.letters(0)
}

func TestAnswersThatEndInDeadLetters(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func(int, http.ResponseWriter, *http.Request)
		reason   string
		requests int
	}{
		"exhausted": {status(http.StatusInternalServerError), "target_5xx", 3},
		"throttled": {status(http.StatusTooManyRequests), "target_4xx", 3},
		"refused":   {status(http.StatusBadRequest), "target_4xx", 1},
		"gone":      {status(http.StatusGone), "target_gone", 1},
		"redirect": {func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "target_4xx", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, c.answer)
			w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}})
			e := someEvent(7)
			seq := w.publish(e)
			w.settled("billing")
			m := w.letters(1)[0]
			if got := len(r.requests()); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
			if m.Subject != "dw.dead.billing."+c.reason || string(m.Data) != string(e.Data) {
				t.Errorf("dead letter %s %s", m.Subject, m.Data)
			}
			for header, want := range map[string]string{
				bus.HeaderTarget: "billing", bus.HeaderReason: c.reason, bus.HeaderAttempts: string(rune('0' + c.requests)),
				bus.HeaderEvent: "1", bus.HeaderDelivery: e.DwDelivery, bus.HeaderReplayOf: "",
				bus.MsgID: "billing.msg-7.1", "ce-id": e.ID, "ce-dwsource": "agents", "ce-correlationid": e.CorrelationID, "ce-recordedtime": "2026-09-21T14:13:21Z",
			} {
				if got := m.Header.Get(header); got != want {
					t.Errorf("%s is %q, want %q (event %d)", header, got, want, seq)
				}
			}
			if detail := m.Header.Get(bus.HeaderDetail); detail == "" || strings.Contains(detail, "elsewhere") {
				t.Errorf("detail %q", detail)
			}
		})
	}
}

func TestTargetThatTimesOut(t *testing.T) {
	release := make(chan struct{})
	r := receive(t, func(_ int, _ http.ResponseWriter, q *http.Request) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	defer close(release)
	target := httpTarget(r.URL)
	target.HTTP.Timeout, target.Retry.Attempts = config.Duration(50*time.Millisecond), 2
	w := start(t, options{targets: map[string]config.Target{"billing": target}, ports: []int{r.port()}})
	w.publish(someEvent(1))
	w.settled("billing")
	if m := w.letters(1)[0]; m.Header.Get(bus.HeaderReason) != "target_timeout" || m.Header.Get(bus.HeaderAttempts) != "2" {
		t.Errorf("dead letter %v", m.Header)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := receive(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}})
	w.publish(someEvent(1))
	got := r.wait(t, 2)
	if waited := got[1].at.Sub(got[0].at); waited < 900*time.Millisecond {
		t.Errorf("came again after %s, asked to wait 1s", waited)
	}
	w.settled("billing")
}

func TestEgressDeniedIsADeadLetterAndNoConnection(t *testing.T) {
	r := receive(t, nil)
	strict := egress.Policy{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, AllowHTTP: true, Ports: []int{r.port()}}
	w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}, policy: &strict})
	w.publish(someEvent(1))
	w.settled("billing")
	if m := w.letters(1)[0]; m.Header.Get(bus.HeaderReason) != "egress_denied" || m.Header.Get(bus.HeaderAttempts) != "1" {
		t.Errorf("dead letter %v", m.Header)
	}
	if got := len(r.requests()); got != 0 {
		t.Errorf("%d requests in spite of the policy", got)
	}
}
