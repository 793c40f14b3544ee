package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/audit"
	"github.com/doorward/doorward/deploy/admin/books"
	"github.com/doorward/doorward/deploy/admin/janitor"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go/jetstream"
)

// newJanitor is wired as the admin wires it, but trims when the test says so. waiting is
// when the oldest waiting request came in.
func (w *world) newJanitor(waiting *time.Time) *janitor.Janitor {
	w.t.Helper()
	ops := w.Connect(w.t, bus.OpsUser)
	b, err := books.New(books.Settings{Ops: ops, Names: w.Names, Audit: audit.New(ops, w.publisher(ops, bus.OpsUser), w.Names)})
	if err != nil {
		w.t.Fatal(err)
	}
	j, err := janitor.New(janitor.Settings{
		Conn: w.Connect(w.t, bus.JanitorUser), Names: w.Names, Verified: bus.NewReader(ops, bus.APICore, w.Names.Stream(bus.Verified)),
		OldestRaw: func(context.Context) (time.Time, error) { return *waiting, nil },
		Vouched: func(ctx context.Context) (uint64, error) {
			c, err := b.Last(ctx)
			return c.Verified.Seq, err
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

// take works n events off a target's consumer.
func (w *world) take(target string, n int) {
	w.t.Helper()
	js, err := jetstream.NewWithAPIPrefix(w.out, bus.APICore)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := js.Consumer(w.t.Context(), w.Names.Stream(bus.Verified), bus.TargetConsumer(target))
	if err != nil {
		w.t.Fatal(err)
	}
	for range n {
		m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			w.t.Fatal(err)
		}
		if err := m.DoubleAck(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestJanitorTrimsOnlyWhatNobodyNeeds(t *testing.T) {
	const window = 300 * time.Millisecond
	o := options{targets: map[string]config.Target{"one": {From: []string{"a"}}, "quiet": {From: []string{"b"}}}}
	o.Window = window
	w := start(t, o)
	var waiting time.Time
	j := w.newJanitor(&waiting)
	trim := func(why string, keep time.Duration, removed uint64, heldBy string) {
		t.Helper()
		got, err := j.Trim(t.Context(), keep)
		if err != nil || got.Removed != removed || got.HeldBy != heldBy {
			t.Errorf("%s: trimmed %+v, %v, want %d removed, held by %q", why, got, err, removed, heldBy)
		}
	}
	trim("empty", time.Hour, 0, "")
	store := func() {
		raw, id := w.received("a")
		w.verified("a", raw, id)
		w.settled("a")
	}
	for range 3 {
		store()
	}
	aged := time.Now().Add(2 * window) // age is what is tested, so it has to pass
	if r := w.balance(false); !r.Balanced {
		t.Fatalf("books %+v", r)
	}
	w.take("one", 3)
	trim("within the window, past keep", time.Nanosecond, 0, "keep")
	store() // seq 4, which neither books nor target know
	time.Sleep(time.Until(aged))
	trim("within keep", time.Hour, 0, "keep")
	trim("no keep", 0, 0, "")
	waiting = time.Now().Add(-10 * window)
	trim("a request waits since the first event", window, 0, "keep")
	waiting = time.Time{}
	time.Sleep(2 * window)
	trim("books vouch for three", window, 3, "books")
	if r := w.balance(false); !r.Balanced {
		t.Fatalf("books %+v", r)
	}
	trim("the target has one to do", window, 0, "target-one")
	w.take("one", 1)
	trim("nobody needs it", window, 1, "")
	if r := w.balance(false); !r.Balanced || r.Counts.Verified != 4 {
		t.Errorf("after trimming: %+v", r)
	}
}
