package admin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/admin/audit"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
)

func (w *world) balance(full bool) api.Books {
	w.t.Helper()
	r, err := w.client.Books(w.t.Context(), full)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestBooksBalanceOnTheRealStreams(t *testing.T) {
	w := start(t, options{})
	if r := w.balance(false); !r.Balanced || r.Checkpoint != 0 {
		t.Errorf("empty: %+v", r)
	}
	for i, reason := range []outcome.Reason{"", outcome.BadSignature, outcome.Stale, outcome.DuplicateReason} {
		raw, id := w.received("a")
		if i == 0 {
			w.verified("a", raw, id)
		} else {
			w.refused("a", raw, id, reason)
		}
		w.settled("a")
	}
	w.verified("a", 2, "replayed", func(e *event.Event) { e.DwReplayOf = "first" })
	w.refused("a", 2, "again", outcome.Stale, func(h nats.Header) { h[bus.HeaderReplayOf] = []string{"first"} })
	raw5, id5 := w.received("a") // pending, without an outcome
	raw6, id6 := w.received("b") // pending, its outcome is stored and the acknowledgement is not
	w.verified("b", raw6, id6)
	r := w.balance(false)
	want := api.BooksCounts{Raw: 6, Verified: 2, Quarantined: 1, Refused: 1, Duplicate: 1, Pending: 1}
	if !r.Balanced || r.Counts != want || r.Checkpoint != 6 || r.Replayed.Verified != 1 || r.Replayed.Refused != 1 {
		t.Errorf("got %+v, want counts %+v", r, want)
	}
	w.verified("a", raw5, id5)
	w.settled("a")
	w.settled("b")
	want.Verified, want.Pending = 3, 0
	if r := w.balance(false); !r.Balanced || r.Counts != want || r.Since != 4 {
		t.Errorf("continued: %+v, want counts %+v since 4", r, want)
	}
	if r := w.balance(true); !r.Balanced || r.Counts != want || r.Since != 0 || r.Replayed.Verified != 1 {
		t.Errorf("full: %+v, want counts %+v", r, want)
	}
	w.loseOne(t)
}

// loseOne takes a raw message away without an outcome, and doubles another's.
func (w *world) loseOne(t *testing.T) {
	raw, id := w.received("a")
	w.settled("a")
	w.refused("a", 1, id, outcome.Stale)
	r := w.balance(false)
	if r.State != api.Unbalanced || !slices.Equal(r.Missing, []uint64{raw}) || !slices.Equal(r.Doubled, []uint64{1}) {
		t.Errorf("one lost and one doubled: %+v", r)
	}
	if _, text := w.request("GET", "/metrics", ""); !strings.Contains(text, "doorward_books_missing 1\n") || !strings.Contains(text, "doorward_books_doubled 1\n") {
		t.Error("metrics do not say that the books are out of balance")
	}
	w.accepted(t, raw)
	_, text := w.request("GET", "/metrics", "")
	for _, want := range []string{"doorward_books_missing 0\n", "doorward_books_unaccounted 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}

// accepted lets the books go on, for a reason that stands in the audit.
func (w *world) accepted(t *testing.T, lost uint64) {
	_, err := w.client.AcceptBooks(t.Context(), "")
	status(t, err, 400)
	if r := w.balance(false); r.State != api.Unbalanced {
		t.Errorf("accepted without a reason: %+v", r)
	}
	was, err := w.client.AcceptBooks(t.Context(), "disk replaced")
	if err != nil || was.State != api.Unbalanced || was.Checkpoint != lost {
		t.Errorf("accepted %+v, %v", was, err)
	}
	if r, _ := w.client.Books(t.Context(), false); !r.Balanced || r.Counts.Unaccounted != 1 || r.Since != lost {
		t.Errorf("after: %+v, want one unaccounted", r)
	}
	entry := w.lastOf(bus.AuditLog, bus.APIAudit, w.Names.AuditEntry("books_accepted"))
	if entry == nil || !strings.Contains(string(entry.Data), "disk replaced") {
		t.Errorf("audit entry %v", entry)
	}
}

func TestBooksSayWhatLimitsEvicted(t *testing.T) {
	o := options{}
	o.Limits = map[bus.Stream]bus.Limit{bus.Quarantine: {MaxBytes: 1 << 20, MaxMessages: 2}}
	w := start(t, o)
	for range 5 {
		raw, id := w.received("a")
		w.refused("a", raw, id, outcome.BadSignature)
		w.settled("a")
	}
	r := w.balance(false)
	if r.State != api.Incomplete || r.Balanced || r.UnaccountedByEviction != 3 || r.Evicted.Quarantine != 3 || !slices.Equal(r.Missing, []uint64{1, 2, 3}) {
		t.Errorf("three evicted: %+v", r)
	}
	if r := w.balance(false); r.State != api.Balanced || r.Counts.Unaccounted != 3 || r.Since != 5 {
		t.Errorf("the next run: %+v, want the three in its counts", r)
	}
}

func TestAuditIsAChain(t *testing.T) {
	w := start(t, options{})
	nc := w.Connect(t, bus.OpsUser)
	log := audit.New(nc, w.publisher(nc, bus.OpsUser), w.Names)
	ctx := t.Context()
	for i := range 3 {
		if err := log.Append(ctx, "test", "me", map[string]int{"i": i}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := log.Verify(ctx, "test"); n != 3 || err != nil {
		t.Errorf("chain of %d, %v, want 3", n, err)
	}
	w.publish(w.publisher(nc, bus.OpsUser), &nats.Msg{Subject: w.Names.AuditEntry("test"), Data: []byte(`{"previous":"00","act":{}}`)})
	if _, err := log.Verify(ctx, "test"); err == nil {
		t.Error("a forged entry continues the chain")
	}
}
