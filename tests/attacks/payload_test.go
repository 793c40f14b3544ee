package attacks_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/tests/harness"
)

// largest is the most that ingress.max_body may be set to.
const largest = 8 << 20

const largestSecret = "the secret of the largest requests"

const largestSources = `sources:
  big: { verify: { provider: hmac, with: { header: X-Signature }, keys: [ { id: k1, secret: "file:big" } ] }, event: { type: big.one, subject: = body.id } }
targets:
  agents: { from: [big], nats: { subject: "agents.big.{subject}" } }
  lost: { from: [big], when: 'source == "big"', nats: { subject: "agents.lost.{correlationid}" } }
`

// large is a JSON body of n bytes.
func large(id string, n int) []byte {
	head := `{"id":"` + id + `","data":"`
	return []byte(head + strings.Repeat("x", n-len(head)-2) + `"}`)
}

// deliver posts a body with as much header as the door lets in.
func deliver(t *testing.T, w *harness.Whole, body []byte, secret string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.Ingress+"/in/big", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Padding", strings.Repeat("p", record.MaxHeaderBytes-2048))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// TestLargestRequest (N11): a request of exactly max_body goes through every door and into
// every stream that may have to hold it: none of them meets the bus's own limit.
func TestLargestRequest(t *testing.T) {
	w := harness.Serve(t, largestSources, ", max_body: 8MiB", map[string]string{"big": largestSecret})
	ops := w.Connect(t, bus.OpsUser)
	if got, least := ops.MaxPayload(), int64(largest+2*record.MaxHeaderBytes); got < least {
		t.Errorf("N11 the bus takes %d bytes, want %d", got, least)
	}
	body := large("1", largest)
	if got := deliver(t, w, body, largestSecret); got != http.StatusAccepted {
		t.Fatalf("N11 %d bytes: answered %d, want 202", len(body), got)
	}
	t.Run("N11 verified", func(t *testing.T) {
		if m := recorded(t, ops, bus.APICore, "DW_VERIFIED", 1); !bytes.Equal(m.Data, body) {
			t.Errorf("%d bytes", len(m.Data))
		}
	})
	t.Run("N11 delivered", func(t *testing.T) {
		agent := w.Connect(t, bus.AgentUser)
		m, err := agent.Request("dw.js.out.CONSUMER.MSG.NEXT.DW_OUT.reader-agents", []byte(`{"batch":1,"expires":10000000000}`), 15*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("ce-subject") != "1" || !bytes.Equal(m.Data, body) {
			t.Errorf("%d bytes, headers %v", len(m.Data), m.Header)
		}
	})
	t.Run("N11 a dead letter", func(t *testing.T) {
		if m := recorded(t, ops, bus.APIOut, "DW_DEAD", 1); !bytes.Equal(m.Data, body) || m.Header.Get(bus.HeaderTarget) != "lost" {
			t.Errorf("%d bytes, headers %v", len(m.Data), m.Header)
		}
	})
	t.Run("N11 quarantined, sealed", func(t *testing.T) {
		if got := deliver(t, w, body, "another secret of enough length"); got != http.StatusAccepted {
			t.Fatalf("answered %d, want 202", got)
		}
		if m := recorded(t, ops, bus.APICore, "DW_QUARANTINE", 1); len(m.Data) < len(body) || m.Header.Get(bus.HeaderReason) != "bad_signature" {
			t.Errorf("%d bytes, headers %v", len(m.Data), m.Header)
		}
	})
	t.Run("N11 refused, sealed", func(t *testing.T) {
		bad := append(large("2", largest-1), '}')
		if got := deliver(t, w, bad, largestSecret); got != http.StatusAccepted {
			t.Fatalf("answered %d, want 202", got)
		}
		if m := recorded(t, ops, bus.APICore, "DW_REFUSED", 1); len(m.Data) < len(bad) || m.Header.Get(bus.HeaderReason) != "json" {
			t.Errorf("%d bytes, headers %v", len(m.Data), m.Header)
		}
	})
	t.Run("N11 one byte more", func(t *testing.T) {
		if got := deliver(t, w, large("3", largest+1), largestSecret); got != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %d, want 413", got)
		}
	})
	for text, want := range map[string]bool{"8388608B": true, "8388609B": false} {
		t.Run("N11 the configuration with max_body "+text, func(t *testing.T) {
			_, err := config.Decode("doorward.yaml", []byte("version: 1\ningress: { max_body: "+text+" }\n"), config.Options{})
			if (err == nil) != want {
				t.Errorf("got %v, accepted should be %t", err, want)
			}
		})
	}
}
