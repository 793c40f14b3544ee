package verifier_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/tests/harness"
	"github.com/doorward/doorward/verifier"
	"github.com/doorward/doorward/verifier/signature"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// guard is a bus with raw requests put on it by hand, and a verifier that a test starts
// and stops.
type guard struct {
	*harness.Fixture
	t       *testing.T
	cfg     *config.Config
	raw     *bus.Publisher
	schemes map[string]*signature.Scheme
}

const agentsSource = `
  agents:
    verify: { provider: standard-webhooks, keys: [ { id: k1, secret: "file:agents" } ], tolerance: 5m }
    event: { type: '= "agent.task." + body.status', subject: = body.task_id, correlationid: = body.task_id }
`

const githubSource = `
  github:
    verify: { provider: github, keys: [ { id: g1, secret: "file:github" } ], remember: 1h }
`

// newGuard starts a bus with the window that the sources need.
func newGuard(t *testing.T, sources string) *guard {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"agents", "github", "agents-2"} {
		secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(name, 8)[:32]))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &guard{t: t, cfg: load(t, dir, sources), schemes: map[string]*signature.Scheme{}}
	window, err := verifier.Window(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.Fixture = harness.Bus(t, harness.Options{Window: window})
	nc := g.Connect(t, bus.IngressUser)
	if g.raw, err = bus.NewPublisher(nc, bus.IngressUser, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	return g
}

func load(t *testing.T, dir, sources string) *config.Config {
	t.Helper()
	path := filepath.Join(dir, "doorward.yaml")
	if err := os.WriteFile(path, []byte("version: 1\nsources:"+sources), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a verifier; stop ends it and waits.
func (g *guard) start() (stop func()) {
	g.t.Helper()
	edge, core := g.Connect(g.t, bus.VerifierEdgeUser), g.Connect(g.t, bus.VerifierUser)
	log := zerolog.New(zerolog.NewTestWriter(g.t)).Level(zerolog.WarnLevel)
	v, err := verifier.New(context.Background(), verifier.Settings{
		Config: g.cfg, Edge: edge, Core: core, Log: log, Metrics: prometheus.NewRegistry(),
		Seal: config.NewSecret([]byte(strings.Repeat("s", 32))), NonceKey: config.NewSecret([]byte(strings.Repeat("n", 32))),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				g.t.Error(err)
			}
		case <-time.After(20 * time.Second):
			g.t.Fatal("the verifier did not stop")
		}
	}
	g.t.Cleanup(stop)
	return stop
}

// sign makes a request as the source's sender would.
func (g *guard) sign(source, id, body string, at time.Time) *record.Request {
	g.t.Helper()
	s := g.schemes[source]
	if s == nil {
		spec, err := provider.Load(g.cfg.Sources[source].Verify.Provider)
		if err != nil {
			g.t.Fatal(err)
		}
		secret, err := g.cfg.Sources[source].Verify.Keys[0].Secret.Resolve()
		if err != nil {
			g.t.Fatal(err)
		}
		if s, err = signature.Compile(spec, signature.Options{Keys: []signature.Key{{ID: "k", Secret: secret.Reveal()}}}); err != nil {
			g.t.Fatal(err)
		}
		g.schemes[source] = s
	}
	req := signature.Request{Method: "POST", Target: "/in/" + source, Header: []signature.Field{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(body)}
	if err := s.Sign(&req, "", at, id); err != nil {
		g.t.Fatal(err)
	}
	out := &record.Request{Method: req.Method, Target: req.Target, Host: "localhost", Body: req.Body}
	for _, f := range req.Header {
		out.Header = append(out.Header, record.Field(f))
	}
	sortFields(out.Header)
	return out
}

func sortFields(h []record.Field) {
	for i := range h {
		for j := i; j > 0 && h[j-1].Name > h[j].Name; j-- {
			h[j-1], h[j] = h[j], h[j-1]
		}
	}
}

var deliveries int

// post stores a request as the ingress would and returns its raw sequence.
func (g *guard) post(source string, r *record.Request) uint64 {
	g.t.Helper()
	return g.postRaw(source, r.Append(nil))
}

func (g *guard) postRaw(source string, payload []byte) uint64 {
	g.t.Helper()
	deliveries++
	ack, err := g.raw.Publish(context.Background(), &nats.Msg{
		Subject: g.Names.Raw(source), Data: payload,
		Header: nats.Header{bus.HeaderDelivery: {fmt.Sprintf("delivery-%d", deliveries)}, bus.HeaderPeer: {"192.0.2.1"}, bus.HeaderTLS: {"none"}},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return ack.Seq
}

// settled waits until the raw stream is empty.
func (g *guard) settled() {
	g.t.Helper()
	_, js := g.JetStream(g.t, bus.SetupEdgeUser)
	s, err := js.Stream(context.Background(), "DW_RAW")
	if err != nil {
		g.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		info, err := s.Info(context.Background())
		if err != nil {
			g.t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("%d raw messages are not settled", info.State.Msgs)
		}
		time.Sleep(5 * time.Millisecond) // the bound is the deadline above
	}
}

// events are the stored verified events, in order.
func (g *guard) events() []*event.Event {
	g.t.Helper()
	var out []*event.Event
	g.scan(bus.Verified, func(s *bus.Stored) {
		e, err := event.Read(s.Header, s.Data)
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, e)
	})
	return out
}

// outcomes are the records of what was not verified: "reason raw-sequence", in order.
func (g *guard) outcomes() []string {
	g.t.Helper()
	var out []string
	for _, s := range []bus.Stream{bus.Refused, bus.Quarantine} {
		g.scan(s, func(s *bus.Stored) {
			out = append(out, s.Header.Get(bus.HeaderReason)+" "+s.Header.Get(bus.HeaderRaw))
		})
	}
	return out
}

func (g *guard) scan(stream bus.Stream, each func(*bus.Stored)) {
	g.t.Helper()
	r := bus.NewReader(g.Connect(g.t, bus.VerifierUser), bus.APILocal, g.Names.Stream(stream))
	if err := r.Scan(context.Background(), bus.From{}, func(s *bus.Stored) error { each(s); return nil }); err != nil {
		g.t.Fatal(err)
	}
}

// swallow pulls n messages under the verifier's own pin, so that it never sees them.
func (g *guard) swallow(n int) *nats.Subscription {
	g.t.Helper()
	nc, js := g.JetStream(g.t, bus.VerifierEdgeUser)
	lane := bus.LaneConsumer(bus.LaneOf("agents"))
	c, err := js.Consumer(context.Background(), "DW_RAW", lane)
	if err != nil {
		g.t.Fatal(err)
	}
	sub, err := nc.SubscribeSync(nc.NewRespInbox())
	if err != nil {
		g.t.Fatal(err)
	}
	pull := fmt.Sprintf(`{"batch":%d,"expires":%d,"group":%q,"id":%q}`, n, 20*time.Second, bus.PinGroup, c.CachedInfo().PriorityGroups[0].PinnedClientID)
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.DW_RAW."+lane, sub.Subject, []byte(pull)); err != nil {
		g.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		g.t.Fatal(err)
	}
	time.Sleep(2 * bus.PinnedTTL / 3) // the verifier's pull before it expires after a third of this
	return sub
}
