package attacks_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// commands are headers that mean something to NATS.
var commands = map[string]string{
	"Nats-Rollup": "all", "Nats-TTL": "1s", "Nats-Msg-Id": "one", "Nats-Expected-Stream": "OTHER", "Nats-Expected-Last-Sequence": "99", "Nats-Expected-Last-Msg-Id": "x",
	"Nats-Expected-Last-Subject-Sequence": "99", "Nats-Expected-Last-Subject-Sequence-Subject": "dw.>", "Nats-Trace-Dest": "dw.raw.00.traced", "Nats-Trace-Only": "true",
	"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "dw.in.evil.t", "Nats-Schedule-TTL": "1s", "Nats-Incr": "1", "Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1",
	"Nats-Required-Api-Level": "99", "Nats-Stream": "DW_VERIFIED", "Nats-Subject": "dw.verified.x.y", "Nats-Sequence": "1", "Nats-Request-Info": "{}", "Nats-Marker-Reason": "Purge",
	"Status": "100", "Description": "x", "KV-Operation": "PURGE",
	bus.HeaderDelivery: "forged", bus.HeaderPeer: "10.0.0.1", bus.HeaderTLS: "forged", bus.HeaderReply: "_INBOX_ingress.x.y", bus.HeaderRaw: "1", "Ce-Id": "forged", "ce-specversion": "1.0",
	"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}

// door is the real ingress on a real bus.
func (f *fixture) door() (address string) {
	f.t.Helper()
	text := "version: 1\ningress: { listen: \"127.0.0.1:0\" }\nsources:\n  github: { verify: { provider: github, keys: [ { id: k, secret: \"env:NOT_READ_HERE\" } ] } }\n"
	cfg, err := config.Decode("doorward.yaml", []byte(text), config.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	d, err := ingress.New(ingress.Settings{Config: cfg, Bus: f.as(bus.IngressUser), Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	return d.Addr().String()
}

// send posts raw header lines; a client would tidy them.
func send(t *testing.T, address, head string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "POST /in/github HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n"+head+"\r\n{}"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestHTTPHeaders (N03): no HTTP header becomes a NATS header, whatever its name.
func TestHTTPHeaders(t *testing.T) {
	f := open(t)
	address := f.door()
	want := map[bus.Stream]uint64{}
	check := func(t *testing.T, head string) {
		t.Helper()
		if got := send(t, address, head); got != http.StatusAccepted {
			t.Fatalf("answered %d, want 202", got)
		}
		want[bus.Raw]++
		f.expectStored(want)
		m, err := f.stream(bus.Edge, bus.Raw).GetMsg(context.Background(), want[bus.Raw])
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(m.Header)); !slices.Equal(got, []string{bus.HeaderDelivery, bus.HeaderPeer, bus.HeaderTLS}) {
			t.Errorf("NATS headers are %q", got)
		}
		if peer := m.Header.Get(bus.HeaderPeer); peer != "127.0.0.1" || len(m.Header.Get(bus.HeaderDelivery)) != 26 {
			t.Errorf("NATS headers are %v", m.Header)
		}
	}
	t.Run("N03 none", func(t *testing.T) { check(t, "") })
	for name, value := range commands {
		t.Run("N03 "+name, func(t *testing.T) { check(t, name+": "+value+"\r\n") })
	}
	t.Run("N03 all of them, twice: no id drops the second", func(t *testing.T) {
		var all strings.Builder
		for name, value := range commands {
			fmt.Fprintf(&all, "%s: %s\r\n", name, value)
		}
		check(t, all.String())
		check(t, all.String())
	})
}

// TestStolenIngressHeaders (N03): what the raw stream does with commands when the ingress's
// own credential sends them. Nothing stored before may change.
func TestStolenIngressHeaders(t *testing.T) {
	f := open(t)
	nc := f.as(bus.IngressUser)
	raw := f.Names.Raw("github")
	for range 3 {
		f.publish(nc, &nats.Msg{Subject: raw, Data: []byte("kept")})
	}
	for _, c := range []struct {
		name, value string
	}{
		{"Nats-Rollup", "all"}, {"Nats-Rollup", "sub"}, {"Nats-TTL", "1s"}, {"Nats-Expected-Stream", "OTHER"}, {"Nats-Expected-Last-Sequence", "99"},
		{"Nats-Expected-Last-Subject-Sequence", "99"}, {"Nats-Expected-Last-Msg-Id", "x"}, {"Nats-Incr", "1"}, {"Nats-Schedule", "@every 1s"}, {"Nats-Batch-Id", "b"},
	} {
		t.Run("N03 the ingress's credential sends "+c.name+": "+c.value, func(t *testing.T) {
			f := f.in(t)
			reply, err := nc.RequestMsg(&nats.Msg{Subject: raw, Header: nats.Header{c.name: {c.value}}, Data: []byte("x")}, 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if ack, err := bus.ParseAck(reply); err == nil {
				t.Errorf("accepted as %+v", ack)
			}
			f.expectStored(map[bus.Stream]uint64{bus.Raw: 3})
		})
	}
	t.Run("N03 a message id drops a copy only within the shortest window", func(t *testing.T) {
		f := f.in(t)
		info, err := f.stream(bus.Edge, bus.Raw).Info(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Config.Duplicates; got > 100*time.Millisecond {
			t.Errorf("the raw stream remembers ids for %s", got)
		}
	})
}

// TestTraces (N03, CVE-2026-33249): a trace is published where its sender may publish.
func TestTraces(t *testing.T) {
	f := open(t)
	nc, verifier := f.as(bus.IngressUser), f.as(bus.VerifierEdgeUser)
	inbox := bus.InboxPrefix(bus.VerifierEdgeUser) + ".traced.x"
	traced, err := verifier.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	flush(t, verifier)
	trace := func(to string) {
		t.Helper()
		if err := nc.PublishMsg(&nats.Msg{Subject: f.Names.Raw("github"), Header: nats.Header{"Nats-Trace-Dest": {to}}, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
	}
	t.Run("N03 a trace into another's inbox", func(t *testing.T) {
		trace(inbox)
		silent(t, "the inbox", traced)
	})
	t.Run("N03 a trace onto a raw subject is one more raw message", func(t *testing.T) {
		f := f.in(t)
		before := f.stored()[bus.Raw]
		trace(f.Names.Raw("other"))
		f.eventually("message and trace are stored", func() bool { return f.stored()[bus.Raw] == before+2 })
	})
}
