// Package ingress_test holds the outer door against a real JetStream, over real sockets.
package ingress_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// limit is the largest body of the sources here.
const limit = 4 << 10

// fixture is a door that serves, and the raw stream behind it.
type fixture struct {
	*harness.Fixture
	door    *ingress.Door
	raw     jetstream.Stream
	metrics *prometheus.Registry
	stop    context.CancelFunc
	stopped chan error
}

// configured decodes a configuration with the sources a and b, and more lines.
func configured(t testing.TB, more string) *config.Config {
	t.Helper()
	text := fmt.Sprintf("version: 1\ningress: { listen: \"127.0.0.1:0\", max_body: %d%s }\nsources:\n", limit, more)
	for _, name := range []string{"a", "b", "off"} {
		text += fmt.Sprintf("  %s: { disabled: %t, verify: { provider: github, keys: [ { id: k, secret: \"env:SECRET_%s\" } ] } }\n", name, name == "off", name)
	}
	c, err := config.Decode("doorward.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, o harness.Options, cfg *config.Config) *fixture {
	t.Helper()
	f := &fixture{Fixture: harness.Bus(t, o), metrics: prometheus.NewRegistry(), stopped: make(chan error, 1)}
	f.raw = rawStream(t, f.Fixture)
	door, err := ingress.New(ingress.Settings{Config: cfg, Bus: f.Connect(t, bus.IngressUser), Log: zerolog.Nop(), Metrics: f.metrics})
	if err != nil {
		t.Fatal(err)
	}
	f.door = door
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	go func() { f.stopped <- door.Run(ctx) }()
	t.Cleanup(func() {
		f.stop()
		if err := <-f.stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
		f.stopped <- nil
	})
	return f
}

func rawStream(t testing.TB, f *harness.Fixture) jetstream.Stream {
	t.Helper()
	_, js := f.JetStream(t, bus.SetupEdgeUser)
	raw, err := js.Stream(context.Background(), f.Names.Stream(bus.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// stored is the number of messages that the raw stream holds.
func (f *fixture) stored(t testing.TB) uint64 {
	t.Helper()
	info, err := f.raw.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// last is the newest message of the raw stream.
func (f *fixture) last(t testing.TB) *jetstream.RawStreamMsg {
	t.Helper()
	info, err := f.raw.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.raw.GetMsg(context.Background(), info.State.LastSeq)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answer is what a sender gets to see.
type answer struct {
	status int
	header http.Header
	body   string
}

// id is the delivery id of a 202, or the request id of a refusal.
func (a answer) id(t testing.TB) string {
	t.Helper()
	var body struct{ ID, Instance string }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return body.ID + strings.TrimPrefix(body.Instance, "urn:ulid:")
}

func (f *fixture) post(t testing.TB, source, body string) answer {
	t.Helper()
	return f.exchange(t, "POST /in/"+source+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: "+fmt.Sprint(len(body))+"\r\n\r\n"+body)[0]
}

// exchange writes raw bytes, ends the sending side and returns every answer until the
// door closes the connection.
func (f *fixture) exchange(t testing.TB, raw string) []answer {
	t.Helper()
	conn, err := net.Dial("tcp", f.door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The door may answer and close before it has read everything: not an error of the test.
	_, _ = io.WriteString(conn, raw)
	_ = conn.(*net.TCPConn).CloseWrite()
	return readAnswers(t, conn)
}

func readAnswers(t testing.TB, conn net.Conn) []answer {
	t.Helper()
	var out []answer
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if len(out) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("no answer: %v", err)
			}
			return out
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("answer %d: %v", res.StatusCode, err)
		}
		out = append(out, answer{res.StatusCode, res.Header, string(body)})
	}
}

// stopped runs a door to its end, so that it lets go of its address.
func stopped(t testing.TB, door *ingress.Door) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := door.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}
