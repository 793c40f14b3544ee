// Package dispatcher_test tries the inner door on a real bus with real HTTP servers.
package dispatcher_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// world is a bus, a running door and everything a test looks at.
type world struct {
	t      testing.TB
	bus    *harness.Fixture
	config *config.Config
	door   *dispatcher.Door
	egress *egress.Client
	stop   func()
	in     *bus.Publisher // the verifier's
	dead   *bus.Reader
	out    *bus.Reader
}

type options struct {
	targets map[string]config.Target
	// extra are targets that set-up knows and the door does not (yet).
	extra  map[string]config.Target
	policy *egress.Policy
	ports  []int
	// ready false leaves the door unstarted.
	unstarted bool
}

func start(t testing.TB, o options) *world {
	t.Helper()
	all := map[string]config.Target{}
	for _, targets := range []map[string]config.Target{o.targets, o.extra} {
		for name, target := range targets {
			all[name] = target
		}
	}
	w := &world{t: t, bus: harness.Bus(t, harness.Options{Targets: busTargets(all)})}
	w.config = configOf(o.targets, o.ports)
	policy := dispatcher.Policy(w.config)
	if o.policy != nil {
		policy = *o.policy
	}
	var err error
	if w.egress, err = egress.New(policy, egress.Settings{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.egress.Close)
	w.in, err = bus.NewPublisher(w.bus.Connect(t, bus.VerifierUser), bus.VerifierUser, patience)
	if err != nil {
		t.Fatal(err)
	}
	nc := w.bus.Connect(t, bus.DispatcherUser)
	w.dead = bus.NewReader(nc, bus.APILocal, w.bus.Names.Stream(bus.Dead))
	w.out = bus.NewReader(w.bus.Connect(t, bus.SetupOutUser), bus.APILocal, w.bus.Names.Stream(bus.Outbox))
	w.start(!o.unstarted)
	return w
}

// start runs a door until the test ends or w.stop is called.
func (w *world) start(run bool) {
	w.t.Helper()
	door, err := dispatcher.New(dispatcher.Settings{
		Config: w.config, Bus: w.bus.Connect(w.t, bus.DispatcherUser), Egress: w.egress,
		Log: zerolog.New(zerolog.NewTestWriter(w.t)).Level(zerolog.ErrorLevel), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.door = door
	if !run {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- door.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
	eventually(w.t, "the door is ready", func() bool { return door.Ready() == nil })
}

func configOf(targets map[string]config.Target, ports []int) *config.Config {
	return &config.Config{
		NATS:    config.NATS{Prefix: "dw"},
		Sources: map[string]config.Source{"agents": {}, "github": {}},
		Targets: targets,
		Egress:  config.Egress{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowHTTP: true, Ports: ports},
	}
}

func busTargets(targets map[string]config.Target) []bus.Target {
	var out []bus.Target
	for name, t := range targets {
		b := bus.Target{Name: name, Sources: t.From, Start: bus.Start{All: true}, Pending: 1024}
		if t.Ordered {
			b.Pending = 1
		}
		if t.NATS != nil {
			b.Subject = name + ".>"
		}
		out = append(out, b)
	}
	return out
}

// natsTarget publishes under its own name, which busTargets gives a stream.
func natsTarget(subject string) config.Target {
	return config.Target{NATS: &config.NATSTarget{Subject: subject}, Retry: quick(3), Concurrency: 1024}
}

func httpTarget(url string) config.Target {
	return config.Target{HTTP: &config.HTTPTarget{URL: url, Timeout: config.Duration(2 * time.Second)}, Retry: quick(3), Concurrency: 16}
}

func quick(attempts int) config.Retry {
	return config.Retry{Attempts: attempts, Backoff: []config.Duration{config.Duration(10 * time.Millisecond)}}
}

// someEvent is event n of a source, complete in every attribute.
func someEvent(n int) *event.Event {
	return &event.Event{
		ID: fmt.Sprintf("msg-%d", n), Source: "doorward:agents", Type: "agent.task.done", Subject: "task-" + strconv.Itoa(n),
		Time: time.Unix(1_790_000_000, 0).UTC(), DataContentType: "application/json", DwSource: "agents", DwScheme: "standard-webhooks/v1",
		DwKeyID: "k1", DwDelivery: fmt.Sprintf("01DELIVERY%d", n), DwRaw: uint64(n + 1), DwDigest: "00", DwAssurance: "message",
		RecordedTime: time.Unix(1_790_000_001, 0).UTC(), CorrelationID: "task-" + strconv.Itoa(n), Data: fmt.Appendf(nil, `{ "n": %d }`, n),
	}
}

// publish stores e as the verifier would and returns its sequence.
func (w *world) publish(e *event.Event) uint64 {
	w.t.Helper()
	m := e.Msg(w.bus.Names.In(e.DwSource, e.Type))
	m.Header.Set(bus.MsgID, event.Escape(e.DwSource+" "+e.ID))
	ack, err := w.in.Publish(context.Background(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return ack.Seq
}

// all reads everything a stream keeps.
func (w *world) all(r *bus.Reader) []*bus.Stored {
	w.t.Helper()
	var out []*bus.Stored
	if err := r.Scan(context.Background(), bus.From{}, func(s *bus.Stored) error { out = append(out, s); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// letters waits for n dead letters and returns them.
func (w *world) letters(n int) []*bus.Stored {
	w.t.Helper()
	var got []*bus.Stored
	eventually(w.t, fmt.Sprintf("%d dead letters", n), func() bool { got = w.all(w.dead); return len(got) >= n })
	if len(got) != n {
		w.t.Fatalf("%d dead letters, want %d", len(got), n)
	}
	return got
}

// settled waits until a target's consumer has nothing left, neither to give nor in hand.
func (w *world) settled(target string) {
	w.t.Helper()
	_, js := w.bus.JetStream(w.t, bus.SetupCoreUser)
	left := ""
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("consumer of %s: %s", target, left)
		}
	})
	eventually(w.t, target+" has acknowledged everything", func() bool {
		c, err := js.Consumer(context.Background(), w.bus.Names.Stream(bus.Verified), bus.TargetConsumer(target))
		if err != nil {
			w.t.Fatal(err)
		}
		i := c.CachedInfo()
		left = fmt.Sprintf("%d to give, %d in hand, %d delivered again", i.NumPending, i.NumAckPending, i.NumRedelivered)
		return i.NumPending == 0 && i.NumAckPending == 0
	})
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

// request is one that a receiver got.
type request struct {
	header http.Header
	body   []byte
	at     time.Time
}

// receiver is an HTTP target on loopback that answers as it is told and remembers.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(n int, w http.ResponseWriter, r *http.Request)
}

// receive starts a receiver; answer gets the number of the request, from 1, nil means 204.
func receive(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.got = append(r.got, request{q.Header.Clone(), body, time.Now()})
	n := len(r.got)
	r.mu.Unlock()
	if r.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answer(n, w, q)
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.got...)
}

func (r *receiver) wait(t testing.TB, n int) []request {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests", n), func() bool { return len(r.requests()) >= n })
	return r.requests()
}

func (r *receiver) port() int {
	u, _ := url.Parse(r.URL)
	p, _ := strconv.Atoi(u.Port())
	return p
}

// status answers always the same.
func status(code int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// secretRef writes a signing secret to a file, and returns it with a reference to it.
func secretRef(t testing.TB) (string, config.Ref) {
	t.Helper()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-four+ bytes"))
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret, config.Ref("file:" + path)
}

// order asks for the replay of a dead letter, as an operator, and waits for its outcome.
func (w *world) order(id string, seq uint64) bus.Done {
	w.t.Helper()
	return w.orders(bus.Order{ID: id, From: "dead", Seq: seq})
}

func ops(w *world) *nats.Conn { return w.bus.Connect(w.t, bus.OpsUser) }
