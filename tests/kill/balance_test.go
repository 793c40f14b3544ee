package kill

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
)

// balance compares what senders were promised with what there is.
func (w *world) balance(sent accepted, seen *view) {
	w.t.Helper()
	w.booksBalance(sent)
	w.tell("verified", wrongs(w.stored(bus.SetupCoreUser, bus.Verified), sent))
	w.tell("outbox", notOnce(w.stored(bus.SetupOutUser, bus.Outbox), sent)) // its order is promised to ordered targets only
	for id, n := range seen.ids() {
		if n > 1 {
			w.t.Errorf("a core subscriber saw %s %d times", id, n)
		}
	}
}

func (w *world) booksBalance(sent accepted) {
	w.t.Helper()
	b, err := w.books()
	if err != nil {
		w.t.Error(err)
	}
	if b.State != api.Balanced || b.MissingCount > 0 || b.DoubledCount > 0 || b.Counts.Pending > 0 {
		w.t.Errorf("the books are %s: missing %v, doubled %v, pending %d", b.State, b.Missing, b.Doubled, b.Counts.Pending)
	}
	if got, want := b.Counts.Verified, uint64(sent.total()); got != want {
		w.t.Errorf("the books say %d verified, %d were accepted", got, want)
	}
	if n := b.Counts.Refused + b.Counts.Quarantined; n > 0 {
		w.t.Errorf("%d genuine requests were refused", n)
	}
}

// event is what is compared of a stored one.
type event struct {
	source string
	n      int
}

// stored reads the events of a stream in its order.
func (w *world) stored(identity string, stream bus.Stream) []event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out []event
	r := bus.NewReader(w.connect(identity), bus.APILocal, bus.NewNames("").Stream(stream))
	err := r.Scan(ctx, bus.From{}, func(s *bus.Stored) error {
		source, number, _ := strings.Cut(s.Header.Get("ce-id"), "-")
		n, err := strconv.Atoi(number)
		out = append(out, event{source, n})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// wrongs are what must not be: a request that had 202 for an answer and is not there, an
// event that is there twice or was never accepted, and one out of its sender's order.
func wrongs(events []event, sent accepted) []string {
	return append(notOnce(events, sent), outOfOrder(events)...)
}

func notOnce(events []event, sent accepted) []string {
	var out []string
	count := map[event]int{}
	for _, e := range events {
		if count[e]++; count[e] > 1 {
			out = append(out, "doubled "+eventID(e.source, e.n))
		}
		if e.n > sent.count[e.source] {
			out = append(out, "never accepted "+eventID(e.source, e.n))
		}
	}
	for source, n := range sent.count {
		for i := 1; i <= n; i++ {
			if count[event{source, i}] == 0 {
				out = append(out, "lost "+eventID(source, i))
			}
		}
	}
	return out
}

// outOfOrder: each sender sent one request after the other.
func outOfOrder(events []event) []string {
	var out []string
	last := map[string]int{}
	for _, e := range events {
		if e.n < last[e.source] {
			out = append(out, eventID(e.source, e.n)+" after "+eventID(e.source, last[e.source]))
		}
		last[e.source] = e.n
	}
	return out
}

// tell reports the first of what is wrong, and how much it is.
func (w *world) tell(what string, wrong []string) {
	w.t.Helper()
	if len(wrong) > 0 {
		w.t.Errorf("%s: %d wrong: %q", what, len(wrong), wrong[:min(len(wrong), 10)])
	}
}

func TestBalanceFindsLossDoublingAndDisorder(t *testing.T) {
	sent := accepted{count: map[string]int{"a": 3}}
	for name, c := range map[string]struct {
		events []event
		fails  bool
	}{
		"as sent":      {[]event{{"a", 1}, {"a", 2}, {"a", 3}}, false},
		"lost":         {[]event{{"a", 1}, {"a", 3}}, true},
		"doubled":      {[]event{{"a", 1}, {"a", 2}, {"a", 2}, {"a", 3}}, true},
		"out of order": {[]event{{"a", 2}, {"a", 1}, {"a", 3}}, true},
		"not sent":     {[]event{{"a", 1}, {"a", 2}, {"a", 3}, {"a", 4}}, true},
	} {
		if got := len(wrongs(c.events, sent)) > 0; got != c.fails {
			t.Errorf("%s: %q", name, wrongs(c.events, sent))
		}
	}
}
