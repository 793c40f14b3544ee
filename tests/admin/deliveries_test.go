package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"
)

func said(d api.Delivery) string {
	var out []string
	for _, s := range d.Steps {
		out = append(out, s.Door+" "+s.What)
	}
	return strings.Join(out, ", ")
}

func (w *world) follow(id string, wait time.Duration) api.Delivery {
	w.t.Helper()
	d, err := w.client.Delivery(w.t.Context(), id, wait)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestDeliveryIsFollowedToItsEnd(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"one": {From: []string{"a"}}, "two": {From: []string{"a"}}, "other": {From: []string{"b"}}}})
	raw, id := w.received("a")
	if d := w.follow(id, 0); len(d.Steps) != 0 || d.Final {
		t.Errorf("before any outcome: %+v", d)
	}
	seq := w.verified("a", raw, id)
	d := w.follow(id, 0)
	if got := said(d); got != "ingress stored, verifier verified" || d.Final || d.Source != "a" || d.Type != "task.done" {
		t.Errorf("verified: %s, %+v", got, d)
	}
	answered := make(chan api.Delivery)
	go func() {
		d, _ := w.client.Delivery(t.Context(), id, 20*time.Second)
		answered <- d
	}()
	w.delivered("one", seq, id)
	w.dead("two", "a", seq, id, outcome.TargetTimeout)
	d = <-answered
	if got := said(d); !d.Final || d.OK || !strings.HasPrefix(got, "ingress stored, verifier verified, dispatcher ") || len(d.Steps) != 4 {
		t.Errorf("one dead: %s, %+v", got, d)
	}
	for _, s := range d.Steps {
		if s.What == "dead" && (s.Reason != "target_timeout" || s.Fix == "" || s.Subject != "two") {
			t.Errorf("dead step %+v", s)
		}
		if s.At.IsZero() || s.AfterMillis < 0 || s.AfterMillis > 60_000 {
			t.Errorf("step %s %s at %s after %v ms", s.Door, s.What, s.At, s.AfterMillis)
		}
	}
}

func TestDeliveryEndsAtTheVerifier(t *testing.T) {
	w := start(t, options{})
	for reason, want := range map[outcome.Reason]struct {
		what string
		ok   bool
	}{
		outcome.BadSignature:    {"quarantined", false},
		outcome.Stale:           {"refused", false},
		outcome.DuplicateReason: {"duplicate", true},
	} {
		raw, id := w.received("a")
		w.refused("a", raw, id, reason)
		d := w.follow(id, 10*time.Second)
		if got := said(d); got != "ingress stored, verifier "+want.what || !d.Final || d.OK != want.ok {
			t.Errorf("%s: %s, %+v", reason, got, d)
		}
		if last := d.Steps[len(d.Steps)-1]; last.Reason != string(reason) || last.Fix != reason.Fix() || last.Detail != "no key of 2 matched" {
			t.Errorf("%s: last step %+v", reason, last)
		}
	}
}

// TestDeliveryIsFoundAfterARestart: the ring is empty, the streams are not.
func TestDeliveryIsFoundAfterARestart(t *testing.T) {
	o := options{targets: map[string]config.Target{"one": {From: []string{"a"}}}}
	o.Store = t.TempDir()
	type given struct{ verified, stale, dead string }
	var ids given
	t.Run("before", func(t *testing.T) {
		w := start(t, o)
		raw, id := w.received("a")
		w.verified("a", raw, id)
		raw2, id2 := w.received("a")
		w.refused("a", raw2, id2, outcome.Stale)
		raw3, id3 := w.received("a")
		w.dead("one", "a", w.verified("a", raw3, id3), id3, outcome.Target5xx)
		ids = given{id, id2, id3}
	})
	t.Run("after", func(t *testing.T) {
		o.Targets = nil
		w := start(t, o)
		if got := said(w.follow(ids.verified, 0)); got != "ingress stored, verifier verified" {
			t.Errorf("verified: %s", got)
		}
		if got := said(w.follow(ids.stale, 0)); got != "ingress stored, verifier refused" {
			t.Errorf("refused: %s", got)
		}
		if d := w.follow(ids.dead, 0); said(d) != "ingress stored, verifier verified, dispatcher dead" || !d.Final || d.OK {
			t.Errorf("dead: %+v", d)
		}
	})
}

// TestATargetThatSkipsIsNoMystery: its condition did not hold, so it says nothing, but its
// consumer is past the event.
func TestATargetThatSkipsIsNoMystery(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"one": {From: []string{"a"}, When: "false"}}})
	raw, id := w.received("a")
	w.verified("a", raw, id)
	if d := w.follow(id, 700*time.Millisecond); d.Final {
		t.Errorf("before the target acknowledged: %+v", d)
	}
	js, err := jetstream.NewWithAPIPrefix(w.out, bus.APICore)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), w.Names.Stream(bus.Verified), bus.TargetConsumer("one"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := w.follow(id, 10*time.Second); said(d) != "ingress stored, verifier verified, dispatcher passed" || !d.Final || !d.OK {
		t.Errorf("after: %+v", d)
	}
}

func TestDeliveryRefusesWhatIsNoID(t *testing.T) {
	w := start(t, options{})
	for _, bad := range []string{"x", strings.Repeat("Z", 26), "../version"} {
		_, err := w.client.Delivery(t.Context(), bad, 0)
		status(t, err, 400)
	}
	if d := w.follow(ulid.Make().String(), 0); d.Steps == nil || d.Final {
		t.Errorf("unknown: %+v", d)
	}
	res, _ := w.request("GET", "/v1/deliveries/"+ulid.Make().String()+"?wait=soon", "")
	if res.StatusCode != 400 {
		t.Errorf("wait=soon: %d", res.StatusCode)
	}
}

func next(t *testing.T, s *api.Stream) api.Message {
	t.Helper()
	m, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEventsComeFromTheStreamThenLive(t *testing.T) {
	w := start(t, options{})
	var ids []string
	for range 3 {
		raw, id := w.received("a")
		w.verified("a", raw, id)
		ids = append(ids, id)
	}
	s, err := w.client.Events(t.Context(), 1, "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	live, err := w.client.Events(t.Context(), api.NewOnly, "b", "other.*")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = live.Close() }()
	raw, id := w.received("b")
	w.verified("b", raw, id) // not of the wanted type
	raw, id = w.received("b")
	w.verified("b", raw, id, func(e *event.Event) { e.Type = "other.thing"; e.Data = []byte("{\n \"x\": \"<&>\"\n}") })
	var seqs []string
	for range 4 {
		m := next(t, s)
		seqs = append(seqs, m.ID)
		var ce map[string]any
		if err := json.Unmarshal(m.Data, &ce); err != nil || m.Event != "verified" || ce["specversion"] != "1.0" {
			t.Errorf("event %s: %q: %v", m.ID, m.Data, err)
		}
		if m.ID == "2" && ce["dwdelivery"] != ids[1] {
			t.Errorf("event 2 is of delivery %v, want %s", ce["dwdelivery"], ids[1])
		}
	}
	if !slices.Equal(seqs, []string{"2", "3", "4", "5"}) {
		t.Errorf("sequences %v, want each once and in order", seqs)
	}
	if m := next(t, live); m.ID != "5" || !strings.Contains(string(m.Data), `"type":"other.thing"`) {
		t.Errorf("the filtered stream began with %+v", m)
	}
	_, err = w.client.Events(t.Context(), api.NewOnly, "", "")
	if err != nil {
		t.Fatal(err)
	}
	res, _ := w.request("GET", "/v1/events?since_seq=x", "")
	if res.StatusCode != 400 {
		t.Errorf("since_seq=x: %d", res.StatusCode)
	}
}

func TestStepsPass(t *testing.T) {
	w := start(t, options{})
	s, err := w.client.Steps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	raw, id := w.received("a")
	seq := w.verified("a", raw, id)
	w.delivered("one", seq, id)
	got := map[string]bool{} // two accounts: their order is not given
	for range 3 {
		var p api.Passing
		if err := json.Unmarshal(next(t, s).Data, &p); err != nil || p.ID != id {
			t.Fatalf("%+v: %v", p, err)
		}
		got[p.Step.Door+" "+p.Step.What] = true
	}
	for _, want := range []string{"ingress stored", "verifier verified", "dispatcher delivered"} {
		if !got[want] {
			t.Errorf("no step %q in %v", want, got)
		}
	}
}

// TestASlowWatcherIsCut: it can begin again where it stopped, and nobody else waits for it.
func TestASlowWatcherIsCut(t *testing.T) {
	w := start(t, options{})
	slow, err := w.client.Events(t.Context(), api.NewOnly, "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }()
	big := []byte(`"` + strings.Repeat("x", 64<<10) + `"`)
	const n = 600 // more than the buffer and what two sockets hold
	for range n {
		id := ulid.Make().String()
		w.verified("a", 1, id, func(e *event.Event) { e.Data = big })
	}
	read := 0
	for {
		if _, err := slow.Next(); err != nil {
			break
		}
		read++
	}
	if read == 0 || read >= n {
		t.Errorf("the slow watcher read %d of %d before it was cut", read, n)
	}
	w.refused("a", 1, ulid.Make().String(), outcome.Stale) // the admin lives
	if _, err := w.client.DeadLetters(t.Context(), api.DeadLetterQuery{From: api.FromRefused}); err != nil {
		t.Error(err)
	}
}
