package kill

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
)

// load is one sender a source, each sending one request after the other: one that was not
// accepted is sent again, unchanged, until it is.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	sent accepted
	errs []error
}

// accepted is what had 202 for an answer: by source, how many from number 1 on.
type accepted struct {
	count map[string]int
	tries int
}

func (a accepted) total() int {
	n := 0
	for _, c := range a.count {
		n += c
	}
	return n
}

func eventID(source string, n int) string { return fmt.Sprintf("%s-%d", source, n) }

func (w *world) load() *load {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop, sent: accepted{count: map[string]int{}}}
	for _, source := range sources {
		sender, err := harness.NewSender("standard-webhooks", secret(source), "http://"+w.address["in"]+"/in/"+source)
		if err != nil {
			w.t.Fatal(err)
		}
		l.wg.Go(func() { l.send(ctx, sender, source) })
	}
	w.t.Cleanup(func() { stop(); l.wg.Wait() })
	return l
}

// pace keeps the load below what two cores work off, so that a run ends soon after its last kill.
const pace = 2 * time.Millisecond

func (l *load) send(ctx context.Context, sender *harness.Sender, source string) {
	for n := 1; ctx.Err() == nil; n++ {
		r, err := sender.Sign(eventID(source, n), fmt.Sprintf(`{"type":"task","n":%d}`, n))
		tries := 0
		if err == nil {
			insisting, cancel := context.WithTimeout(context.Background(), 2*eachPatience)
			tries, err = sender.Insist(insisting, r)
			cancel()
		}
		l.mu.Lock()
		if err != nil {
			l.errs = append(l.errs, err)
			l.mu.Unlock()
			return
		}
		l.sent.count[source], l.sent.tries = n, l.sent.tries+tries
		l.mu.Unlock()
		time.Sleep(pace)
	}
}

// progress waits until the load goes on after a restart.
func (l *load) progress(t *testing.T) {
	t.Helper()
	before, _ := l.now()
	eventually(t, eachPatience, "requests are accepted after a restart", func() bool {
		now, errs := l.now()
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, source := range sources {
			if now.count[source] <= before.count[source] {
				return false
			}
		}
		return true
	})
}

func (l *load) now() (accepted, []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := accepted{count: map[string]int{}, tries: l.sent.tries}
	for source, n := range l.sent.count {
		out.count[source] = n
	}
	return out, l.errs
}

// end stops the senders after the request each is at.
func (l *load) end(t *testing.T) accepted {
	t.Helper()
	l.stop()
	l.wg.Wait()
	out, errs := l.now()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return out
}

// view is what a core subscriber saw while it was connected.
type view struct {
	mu    sync.Mutex
	count map[string]int
}

func (w *world) watch() *view {
	w.t.Helper()
	v := &view{count: map[string]int{}}
	nc := w.connect(bus.AppUser)
	_, err := nc.Subscribe(bus.NewNames("").All("verified"), func(m *nats.Msg) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.count[m.Header.Get("ce-id")]++
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// progress waits until verified events come again.
func (v *view) progress(t *testing.T) {
	t.Helper()
	before := len(v.ids())
	eventually(t, eachPatience, "events are verified after a restart", func() bool { return len(v.ids()) > before })
}

// ids are how often each event was seen.
func (v *view) ids() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]int{}
	for id, n := range v.count {
		out[id] = n
	}
	return out
}
