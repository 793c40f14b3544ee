package attacks_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
)

const programSources = `sources:
  big: { verify: { provider: hmac, with: { header: X-Signature }, keys: [ { id: k1, secret: "file:big" } ] }, event: { type: big.one, subject: = body.id } }
targets:
  agents: { from: [big], nats: { subject: "agents.big.{subject}" } }
  everything: { nats: { subject: "agents.all.{id}" } }
`

// recorded waits for message n of a stream and returns it.
func recorded(t *testing.T, nc *nats.Conn, api, stream string, n uint64) *bus.Stored {
	t.Helper()
	r := bus.NewReader(nc, api, stream)
	for deadline := time.Now().Add(10 * time.Second); ; {
		m, err := r.Get(context.Background(), n)
		if err == nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not hold %d messages: %v", stream, n, err)
		}
		time.Sleep(5 * time.Millisecond) // the bound is the deadline above
	}
}

// TestForgedRawMessages (N02): what a stolen ingress credential can put onto the raw stream
// ends as a record, never as an event and never as a panic, and honest requests pass after.
func TestForgedRawMessages(t *testing.T) {
	w := harness.Serve(t, programSources, "", map[string]string{"big": largestSecret})
	names := bus.NewNames("")
	ingress, ops := w.Connect(t, bus.IngressUser), w.Connect(t, bus.OpsUser)
	ingress.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	records, err := ops.SubscribeSync("dw.live.>")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, ops)
	expect := func(t *testing.T, reasons ...string) {
		t.Helper()
		var got []string
		for range reasons {
			m, err := records.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatalf("recorded %q, want %q: %v", got, reasons, err)
			}
			got = append(got, m.Header.Get(bus.HeaderReason))
		}
		slices.Sort(got) // of lanes that work side by side
		if !slices.Equal(got, reasons) {
			t.Errorf("recorded as %q, want %q", got, reasons)
		}
	}
	raw := names.Raw("big")
	t.Run("N02 an acknowledgement as a raw message", func(t *testing.T) {
		forge(t, ingress, raw, raw, []byte("not a request"))
		expect(t, "internal", "internal")
	})
	t.Run("N02 an acknowledgement as a raw message of nobody", func(t *testing.T) {
		forge(t, ingress, raw, names.Raw("nobody"), []byte("not a request"))
		expect(t, "internal", "unknown_source")
	})
	for name, c := range map[string]struct {
		m    nats.Msg
		want []string
	}{
		"N03 a trace as a raw message":        {nats.Msg{Subject: raw, Header: nats.Header{"Nats-Trace-Dest": {raw}}}, []string{"internal", "internal"}},
		"N02 headers that are out of form":    {nats.Msg{Subject: raw, Header: nats.Header{bus.HeaderDelivery: {"../../>"}, bus.HeaderPeer: {strings.Repeat("x", 4096)}}}, []string{"internal"}},
		"N02 a lane that is not its source's": {nats.Msg{Subject: "dw.raw." + bus.LaneToken((bus.LaneOf("big")+1)%bus.Lanes) + ".big", Data: []byte("x")}, []string{"internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ingress.PublishMsg(&c.m); err != nil {
				t.Fatal(err)
			}
			expect(t, c.want...)
		})
	}
	t.Run("N02 an honest request afterwards", func(t *testing.T) {
		if got := deliver(t, w, large("1", 100), largestSecret); got != 202 {
			t.Fatalf("answered %d", got)
		}
		if m := recorded(t, ops, bus.APICore, "DW_VERIFIED", 1); m.Header.Get("ce-subject") != "1" {
			t.Errorf("headers %v", m.Header)
		}
	})
}

// TestForgedVerifiedMessage (N07): a message on the verified stream that is not an event is
// a dead letter of every target that takes its source, and holds nothing up.
func TestForgedVerifiedMessage(t *testing.T) {
	w := harness.Serve(t, programSources, "", map[string]string{"big": largestSecret})
	names := bus.NewNames("")
	verifier, ops := w.Connect(t, bus.VerifierUser), w.Connect(t, bus.OpsUser)
	for _, h := range []nats.Header{nil, {"ce-id": {"1"}}, {"ce-specversion": {"2.0"}, "ce-id": {"1"}, "ce-type": {"t"}, "ce-source": {"s"}}} {
		m := nats.NewMsg(names.In("evil", "t"))
		m.Header, m.Data = h, []byte("{}")
		if _, err := verifier.RequestMsg(m, 2*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(3) {
		if m := recorded(t, ops, bus.APIOut, "DW_DEAD", n+1); m.Header.Get(bus.HeaderTarget) != "everything" || m.Header.Get(bus.HeaderReason) != "internal" {
			t.Errorf("N07 headers %v", m.Header)
		}
	}
	if got := deliver(t, w, large("1", 100), largestSecret); got != 202 {
		t.Fatalf("answered %d", got)
	}
	agent := w.Connect(t, bus.AgentUser)
	for _, reader := range []string{"reader-agents", "reader-everything"} {
		m, err := agent.Request("dw.js.out.CONSUMER.MSG.NEXT.DW_OUT."+reader, []byte(`{"batch":1,"expires":5000000000}`), 8*time.Second)
		if err != nil || m.Header.Get("ce-subject") != "1" {
			t.Errorf("N07 the genuine event for %s: %v, %v", reader, m, err)
		}
	}
}
