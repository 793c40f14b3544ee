package admin_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin"
	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const token = "an-operator-token-of-32-characters"

// world is a running admin and the doors that a test plays by hand.
type world struct {
	*harness.Fixture
	t          *testing.T
	admin      *admin.Admin
	stop       func()
	client     *api.Client
	ingress    *bus.Publisher
	verifier   *bus.Publisher
	dispatcher *bus.Publisher
	edge       jetstream.JetStream // as the verifier works the raw stream
	edgeConn   *nats.Conn
	lanes      map[string]jetstream.Consumer
	out        *nats.Conn // as the dispatcher
	ops        *nats.Conn // the admin's own
}

type options struct {
	harness.Options
	targets map[string]config.Target
	ready   func() map[string]error
	keep    time.Duration
}

func start(t *testing.T, o options) *world {
	t.Helper()
	for name := range o.targets {
		o.Targets = append(o.Targets, bus.Target{Name: name, Sources: o.targets[name].From, Start: bus.Start{All: true}})
	}
	f := harness.Bus(t, o.Options)
	cfg := &config.Config{Admin: config.Admin{Listen: "127.0.0.1:0"}, Targets: o.targets}
	cfg.Streams.Verified.Keep = config.Duration(o.keep)
	ops := f.Connect(t, bus.OpsUser)
	a, err := admin.New(admin.Settings{
		Config: cfg, Ops: ops, Janitor: f.Connect(t, bus.JanitorUser), Token: config.NewSecret([]byte(token)),
		Log: zerolog.New(zerolog.NewTestWriter(t)), Registry: prometheus.NewRegistry(), Ready: o.ready, Version: api.Version{Version: "1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("admin ended: %v", err)
		}
	})
	t.Cleanup(stop)
	w := &world{Fixture: f, t: t, admin: a, ops: ops, stop: stop, lanes: map[string]jetstream.Consumer{}, client: &api.Client{URL: "http://" + a.Addr(), Token: token, HTTP: &http.Client{Transport: &http.Transport{}}}}
	t.Cleanup(w.client.HTTP.CloseIdleConnections)
	w.ingress = w.publisher(f.Connect(t, bus.IngressUser), bus.IngressUser)
	w.verifier = w.publisher(f.Connect(t, bus.VerifierUser), bus.VerifierUser)
	w.out = f.Connect(t, bus.DispatcherUser)
	w.dispatcher = w.publisher(w.out, bus.DispatcherUser)
	w.edgeConn, w.edge = f.JetStream(t, bus.VerifierEdgeUser)
	w.until(func() bool { _, err := w.client.Version(t.Context()); return err == nil })
	return w
}

func (w *world) publisher(nc *nats.Conn, identity string) *bus.Publisher {
	w.t.Helper()
	p, err := bus.NewPublisher(nc, identity, 5*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// until waits for what becomes true by itself, within a bound.
func (w *world) until(true func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !true() {
		if time.Now().After(deadline) {
			w.t.Fatal("it did not happen within 10s")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (w *world) publish(p *bus.Publisher, m *nats.Msg) uint64 {
	w.t.Helper()
	ack, err := p.Publish(w.t.Context(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return ack.Seq
}

// received stores a request as the ingress does.
func (w *world) received(source string) (raw uint64, id string) {
	w.t.Helper()
	id = ulid.Make().String()
	r := record.Request{Method: "POST", Target: "/in/" + source, Host: "h"}
	return w.publish(w.ingress, &nats.Msg{Subject: w.Names.Raw(source), Header: nats.Header{bus.HeaderDelivery: {id}}, Data: r.Append(nil)}), id
}

// lane is one value for each source: it holds the pin.
func (w *world) lane(source string) jetstream.Consumer {
	w.t.Helper()
	if c := w.lanes[source]; c != nil {
		return c
	}
	c, err := w.edge.Consumer(w.t.Context(), w.Names.Stream(bus.Raw), bus.LaneConsumer(bus.LaneOf(source)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.lanes[source] = c
	return c
}

// settled takes the next raw message of a source out of the stream, as the verifier does
// after its outcome is stored.
func (w *world) settled(source string) {
	w.t.Helper()
	c := w.lane(source)
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(2*time.Second), jetstream.FetchPriorityGroup(bus.PinGroup))
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for m := range batch.Messages() {
		n++
		if err := m.DoubleAck(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := bus.Purge(w.t.Context(), w.edgeConn, w.Names.Stream(bus.Raw), m.Subject(), meta.Sequence.Stream+1); err != nil {
			w.t.Fatal(err)
		}
	}
	if n != 1 {
		w.t.Fatalf("settled %d messages of %s, want 1: %v", n, source, batch.Error())
	}
}

// verified stores an outcome as the verifier does.
func (w *world) verified(source string, raw uint64, id string, change ...func(*event.Event)) uint64 {
	w.t.Helper()
	e := event.Event{
		ID: "e-" + id, Source: "doorward:" + source, Type: "task.done", DwSource: source, DwScheme: "standard-webhooks/v1", DwKeyID: "k1",
		DwDelivery: id, DwRaw: raw, RecordedTime: time.Now(), DataContentType: "application/json", Data: []byte(`{"a":1}`),
	}
	for _, c := range change {
		c(&e)
	}
	m := e.Msg(w.Names.In(source, e.Type))
	m.Header[bus.MsgID] = []string{ulid.Make().String()}
	return w.publish(w.verifier, m)
}

// refused stores a refusal or, by its reason, a quarantine record.
func (w *world) refused(source string, raw uint64, id string, reason outcome.Reason, change ...func(nats.Header)) uint64 {
	w.t.Helper()
	subject := w.Names.Refused(source, string(reason))
	if v, _ := reason.Verdict(); v == outcome.Quarantined {
		subject = w.Names.Quarantine(source, string(reason))
	}
	view := record.Request{Method: "POST", Target: "/in/" + source, Host: "h", Header: []record.Field{{Name: "X-Signature", Value: record.Redacted}}}
	h := nats.Header{
		bus.HeaderRaw: {strconv.FormatUint(raw, 10)}, bus.HeaderReason: {string(reason)}, bus.HeaderSource: {source}, bus.HeaderDelivery: {id},
		bus.HeaderReceived: {time.Now().UTC().Format(time.RFC3339Nano)}, bus.HeaderDetail: {"no key of 2 matched"}, bus.HeaderPeer: {"192.0.2.1"}, bus.HeaderKeyID: {"seal-1"},
	}
	for _, c := range change {
		c(h)
	}
	return w.publish(w.verifier, &nats.Msg{Subject: subject, Header: h, Data: record.Kept{View: view.Append(nil), Sealed: []byte("sealed")}.Append(nil)})
}

// dead stores a dead letter as the dispatcher does.
func (w *world) dead(target, source string, seq uint64, id string, reason outcome.Reason) uint64 {
	w.t.Helper()
	e := event.Event{ID: "e-" + id, Source: "doorward:" + source, Type: "task.done", DwSource: source, DwDelivery: id, DwRaw: 7, DataContentType: "application/json", Data: []byte(`{"a":1}`)}
	m := e.Msg(w.Names.Dead(target, string(reason)))
	for name, v := range map[string]string{
		bus.HeaderTarget: target, bus.HeaderReason: string(reason), bus.HeaderAttempts: "8", bus.HeaderDetail: "no answer in 10s",
		bus.HeaderEvent: strconv.FormatUint(seq, 10), bus.HeaderDelivery: id,
	} {
		m.Header[name] = []string{v}
	}
	return w.publish(w.dispatcher, m)
}

// delivered says on the live view that a target took an event.
func (w *world) delivered(target string, seq uint64, id string) {
	w.t.Helper()
	m := &nats.Msg{Subject: w.Names.Live("delivered", target), Header: nats.Header{
		bus.HeaderDelivery: {id}, bus.HeaderEvent: {strconv.FormatUint(seq, 10)}, bus.HeaderTarget: {target}, bus.HeaderAttempts: {"1"}, "ce-id": {"e-" + id},
	}}
	if err := w.out.PublishMsg(m); err != nil {
		w.t.Fatal(err)
	}
}

// status asserts that an error is a problem of a status with words to act on.
func status(t *testing.T, err error, want int) {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != want || p.Title == "" {
		t.Errorf("got %v, want a problem of status %d", err, want)
	}
}
