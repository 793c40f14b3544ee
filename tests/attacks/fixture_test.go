// Package attacks_test attacks Doorward from inside its own bus: with each credential that
// ships, used by someone who stole it. Every test is named by the id of the attack in the
// catalogue (N01 …); every refusal stands beside the same act by whoever may do it.
package attacks_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// agents is a NATS target, so that the outbox has a consumer for agents.
func agents() []bus.Target {
	return []bus.Target{{Name: "agents", Sources: []string{"github"}, Subject: "agents.resume.*", Start: bus.Start{All: true}}}
}

// fixture is the bus as it ships, with eyes on every stream.
type fixture struct {
	*harness.Fixture
	t    *testing.T
	eyes map[string]jetstream.JetStream // of each account that has streams
}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{harness.Bus(t, harness.Options{Targets: agents()}), t, map[string]jetstream.JetStream{}}
	for _, account := range []string{bus.Edge, bus.Core, bus.Out, bus.Audit} {
		_, f.eyes[account] = f.JetStream(t, bus.SetupUser(account))
	}
	return f
}

// in is the same bus in a subtest, which then owns what fails and what it opens.
func (f *fixture) in(t *testing.T) *fixture { return &fixture{f.Fixture, t, f.eyes} }

// as opens a connection of an identity that keeps the server's refusals to itself.
func (f *fixture) as(identity string) *nats.Conn {
	f.t.Helper()
	nc := f.Connect(f.t, identity)
	nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	return nc
}

// flush waits until the server has worked off what nc sent: its refusals come before.
func flush(t *testing.T, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// refused says whether the server has just refused an act on a subject. It names the
// subject, so that one refusal is never taken for another.
func refused(nc *nats.Conn, act, subject string) bool {
	err := nc.LastError()
	return err != nil && strings.Contains(strings.ToLower(err.Error()), strings.ToLower("violation for "+act)) && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(`"`+subject+`"`))
}

func (f *fixture) mayPublish(nc *nats.Conn, subject string) bool {
	f.t.Helper()
	if err := nc.Publish(subject, nil); err != nil {
		f.t.Fatalf("publish to %s: %v", subject, err)
	}
	flush(f.t, nc)
	return !refused(nc, "publish", subject)
}

func (f *fixture) maySubscribe(nc *nats.Conn, subject string) bool {
	f.t.Helper()
	sub, err := nc.ChanSubscribe(subject, make(chan *nats.Msg, 1)) // a synchronous one would make room for 64 Ki messages
	if err != nil {
		f.t.Fatalf("subscribe to %s: %v", subject, err)
	}
	flush(f.t, nc)
	ok := !refused(nc, "subscription", subject)
	_ = sub.Unsubscribe()
	return ok
}

// stream is a stream as its own account's set-up sees it.
func (f *fixture) stream(account string, s bus.Stream) jetstream.Stream {
	f.t.Helper()
	out, err := f.eyes[account].Stream(context.Background(), f.Names.Stream(s))
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// accountOf is where each stream lives.
func accountOf(l bus.Layout) map[bus.Stream]string {
	out := map[bus.Stream]string{}
	for _, d := range l.Streams() {
		out[bus.Stream(strings.TrimPrefix(d.Config.Name, "DW_"))] = d.Account
	}
	return out
}

// stored counts the messages of every stream.
func (f *fixture) stored() map[bus.Stream]uint64 {
	f.t.Helper()
	out := map[bus.Stream]uint64{}
	for s, account := range accountOf(f.Layout) {
		info, err := f.stream(account, s).Info(context.Background())
		if err != nil {
			f.t.Fatal(err)
		}
		out[s] = info.State.Msgs
	}
	return out
}

// expectStored compares every stream with how many messages it should hold.
func (f *fixture) expectStored(want map[bus.Stream]uint64) {
	f.t.Helper()
	for s, got := range f.stored() {
		if got != want[s] {
			f.t.Errorf("DW_%s holds %d messages, want %d", s, got, want[s])
		}
	}
}

// publish stores a message as an identity and returns its sequence.
func (f *fixture) publish(nc *nats.Conn, m *nats.Msg) uint64 {
	f.t.Helper()
	reply, err := nc.RequestMsg(m, 3*time.Second)
	if err != nil {
		f.t.Fatalf("publish to %s: %v", m.Subject, err)
	}
	ack, err := bus.ParseAck(reply)
	if err != nil {
		f.t.Fatalf("publish to %s: %v", m.Subject, err)
	}
	return ack.Seq
}

// quiet is how long a test waits for what must not come. Everything on the way there has
// been answered before, so that this only adds to the flushes.
const quiet = 100 * time.Millisecond

// silent asserts that nothing comes.
func silent(t *testing.T, what string, sub *nats.Subscription) {
	t.Helper()
	if m, err := sub.NextMsg(quiet); err == nil {
		t.Errorf("%s: %s came: %q %v", what, m.Subject, m.Data, m.Header)
	}
}
