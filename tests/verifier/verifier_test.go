// Package verifier_test tells what the guard does with requests on a real bus.
package verifier_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/record"
)

const done = `{"task_id":"t-1","status":"completed"}`

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s are %q, want %q", what, got, want)
	}
}

func TestSignedRequestBecomesAnEvent(t *testing.T) {
	g := newGuard(t, agentsSource)
	g.start()
	raw := g.post("agents", g.sign("agents", "msg_1", done, time.Now()))
	g.settled()
	events := g.events()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1; outcomes %q", len(events), g.outcomes())
	}
	e := events[0]
	got := []string{e.ID, e.Source, e.Type, e.Subject, e.CorrelationID, e.DataContentType, e.DwSource, e.DwScheme, e.DwKeyID, e.DwAssurance, string(e.Data)}
	equal(t, "attributes", got, []string{"msg_1", "doorward:agents", "agent.task.completed", "t-1", "t-1", "application/json", "agents", "standard-webhooks/v1", "k1", "message", done})
	if e.DwRaw != raw || e.RecordedTime.IsZero() || time.Since(e.Time) > time.Minute {
		t.Errorf("raw %d, recorded %s, time %s", e.DwRaw, e.RecordedTime, e.Time)
	}
}

func TestEveryRefusalIsRecordedOnce(t *testing.T) {
	g := newGuard(t, strings.Replace(agentsSource, "    event:", "    allow: { types: [\"agent.task.completed\"], addresses: [192.0.2.0/24] }\n    event:", 1))
	g.start()
	now := time.Now()
	change := func(f func(*record.Request)) *record.Request {
		r := g.sign("agents", "msg_x", done, now)
		f(r)
		return r
	}
	without := func(name string) *record.Request {
		return change(func(r *record.Request) {
			r.Header = slices.DeleteFunc(r.Header, func(f record.Field) bool { return f.Name == name })
		})
	}
	var want []string
	for _, c := range []struct {
		reason string
		req    *record.Request
	}{
		{"stale", g.sign("agents", "msg_2", done, now.Add(-6*time.Minute))},
		{"future", g.sign("agents", "msg_3", done, now.Add(6*time.Minute))},
		{"json", g.sign("agents", "msg_4", `{"task_id":"t","task_id":"u"}`, now)},
		{"json", g.sign("agents", "msg_5", `{"task_id":"t"}`, now)},
		{"too_deep", g.sign("agents", "msg_6", strings.Repeat("[", 70)+strings.Repeat("]", 70), now)},
		{"event_denied", g.sign("agents", "msg_7", `{"task_id":"t","status":"other"}`, now)},
		{"no_signature", without("Webhook-Signature")},
		{"bad_signature", change(func(r *record.Request) { r.Body = []byte(done + " ") })},
	} {
		want = append(want, fmt.Sprintf("%s %d", c.reason, g.post("agents", c.req)))
	}
	want = append(want, fmt.Sprintf("internal %d", g.postRaw("agents", []byte(`{"stream":"DW_RAW","seq":1}`))))
	unknown := g.post("nobody", g.sign("agents", "msg_8", done, now))
	want = slices.Insert(want, 6, fmt.Sprintf("unknown_source %d", unknown))
	good := g.post("agents", g.sign("agents", "msg_9", done, now))
	g.settled()
	got := g.outcomes()
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "outcomes", got, want)
	if events := g.events(); len(events) != 1 || events[0].DwRaw != good {
		t.Errorf("events are %v, want the one good twin", events)
	}
}

func TestCoreSubscriberSeesADuplicateOnce(t *testing.T) {
	g := newGuard(t, agentsSource)
	seen, err := g.Connect(t, bus.AppUser).SubscribeSync("dw.verified.>")
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	r := g.sign("agents", "msg_1", done, time.Now())
	g.post("agents", r)
	second, third := g.post("agents", r), g.post("agents", g.sign("agents", "msg_1", done, time.Now().Add(time.Second)))
	other := g.post("agents", g.sign("agents", "msg_1", `{"task_id":"t-1","status":"failed"}`, time.Now()))
	g.settled()
	equal(t, "outcomes", g.outcomes(), []string{fmt.Sprintf("duplicate %d", second), fmt.Sprintf("duplicate %d", third), fmt.Sprintf("conflict %d", other)})
	g.scan(bus.Refused, func(s *bus.Stored) {
		if got := s.Header.Get(bus.HeaderOriginal); got != "1" {
			t.Errorf("the record of raw message %s repeats event %q, want 1", s.Header.Get(bus.HeaderRaw), got)
		}
	})
	if _, err := seen.NextMsg(time.Second); err != nil {
		t.Fatal(err)
	}
	if m, err := seen.NextMsg(100 * time.Millisecond); err == nil {
		t.Errorf("a second event was seen: %s", m.Header.Get("ce-dwraw"))
	}
}

func TestForgedRequestCannotUseUpAGenuineID(t *testing.T) {
	g := newGuard(t, agentsSource)
	g.start()
	forged := g.sign("agents", "msg_1", done, time.Now())
	forged.Body = []byte(`{"task_id":"t-1","status":"forged"}`)
	bad := g.post("agents", forged)
	genuine := g.post("agents", g.sign("agents", "msg_1", done, time.Now()))
	g.settled()
	equal(t, "outcomes", g.outcomes(), []string{fmt.Sprintf("bad_signature %d", bad)})
	if events := g.events(); len(events) != 1 || events[0].DwRaw != genuine {
		t.Errorf("events are %v, want the genuine one", events)
	}
}

func TestGitHubReplayWithANewUnsignedIDIsADuplicate(t *testing.T) {
	g := newGuard(t, githubSource)
	g.start()
	first := g.sign("github", "", `{"action":"opened"}`, time.Now())
	set := func(r *record.Request, id string) *record.Request {
		c := *r
		c.Header = append(slices.Clone(r.Header), record.Field{Name: "X-Github-Delivery", Value: id}, record.Field{Name: "X-Github-Event", Value: "issues"})
		c.Header = slices.DeleteFunc(c.Header, func(f record.Field) bool { return f.Value == "" })
		sortFields(c.Header)
		return &c
	}
	g.post("github", set(first, "11111111-1111-1111-1111-111111111111"))
	replay := g.post("github", set(first, "22222222-2222-2222-2222-222222222222"))
	g.settled()
	equal(t, "outcomes", g.outcomes(), []string{fmt.Sprintf("duplicate %d", replay)})
	events := g.events()
	if len(events) != 1 || events[0].Type != "com.github.issues.opened" {
		t.Fatalf("events are %v, want one com.github.issues.opened", events)
	}
	if strings.Contains(events[0].ID, "1111") {
		t.Errorf("the event's id %s is the unsigned one", events[0].ID)
	}
}

func TestOrderIsKeptThroughRestarts(t *testing.T) {
	g := newGuard(t, agentsSource)
	const n = 3000
	for i := range n {
		g.post("agents", g.sign("agents", fmt.Sprintf("msg_%d", i), fmt.Sprintf(`{"task_id":"%d","status":"completed"}`, i), time.Now()))
	}
	for range 3 {
		stop := g.start()
		time.Sleep(150 * time.Millisecond) // somewhere in the middle; where does not matter
		stop()
	}
	g.start()
	g.settled()
	events := g.events()
	if len(events) != n {
		t.Fatalf("%d events, want %d; outcomes %q", len(events), n, g.outcomes())
	}
	for i, e := range events {
		if e.Subject != fmt.Sprint(i) {
			t.Fatalf("event %d is that of request %s", i, e.Subject)
		}
	}
	equal(t, "outcomes", g.outcomes(), nil)
}

func TestBacklogOlderThanWindowAndToleranceIsFreshAndItsCopiesDuplicates(t *testing.T) {
	g := newGuard(t, `
  agents:
    verify: { provider: standard-webhooks, keys: [ { id: k1, secret: "file:agents" } ], tolerance: 3s, retry_horizon: 1s }
verifier: { skew: 1s, min_window: 4s }
`)
	if g.Layout.Window != 4*time.Second {
		t.Fatalf("the window is %s, want 4s", g.Layout.Window)
	}
	stop := g.start()
	before := g.sign("agents", "msg_0", done, time.Now())
	g.post("agents", before)
	g.settled()
	stop()
	lateCopy := g.post("agents", before)
	captured := g.sign("agents", "msg_1", done, time.Now())
	original := g.post("agents", captured)
	time.Sleep(700 * time.Millisecond)
	replay := g.post("agents", captured)
	time.Sleep(4500 * time.Millisecond) // longer than tolerance and window
	g.start()
	g.settled()
	equal(t, "outcomes", g.outcomes(), []string{fmt.Sprintf("duplicate %d", lateCopy), fmt.Sprintf("duplicate %d", replay)})
	events := g.events()
	if len(events) != 2 || events[1].DwRaw != original {
		t.Errorf("%d events, want the first and the one of raw message %d", len(events), original)
	}
}

// A server that dies may have kept an acknowledgement and not the removal that goes with
// it. Nobody delivers such a message again, and it would use up its source's share for ever.
func TestMessagesBelowTheAckFloorAreFound(t *testing.T) {
	g := newGuard(t, agentsSource)
	ctx := context.Background()
	var want []string
	for i := range 5 {
		g.post("agents", g.sign("agents", fmt.Sprintf("msg_%d", i), fmt.Sprintf(`{"task_id":"%d","status":"completed"}`, i), time.Now()))
		want = append(want, fmt.Sprint(i))
	}
	_, js := g.JetStream(t, bus.SetupEdgeUser)
	lane := bus.LaneConsumer(bus.LaneOf("agents"))
	if _, err := js.ResetConsumerToSequence(ctx, "DW_RAW", lane, 6); err != nil {
		t.Fatal(err)
	}
	if c, err := js.Consumer(ctx, "DW_RAW", lane); err != nil || c.CachedInfo().NumPending != 0 {
		t.Fatalf("the lane still sees its messages (%v)", err)
	}
	g.start()
	g.settled()
	var got []string
	for _, e := range g.events() {
		got = append(got, e.Subject)
	}
	equal(t, "events", got, want)
}

// A delivery can be lost between server and verifier: the connection breaks, the process
// stands still while its pull expires. What comes next must not acknowledge it along.
func TestDeliveriesLostOnTheWayComeAgainInOrder(t *testing.T) {
	g := newGuard(t, agentsSource)
	g.start()
	post := func(i int) {
		g.post("agents", g.sign("agents", fmt.Sprintf("msg_%d", i), fmt.Sprintf(`{"task_id":"%d","status":"completed"}`, i), time.Now()))
	}
	post(0)
	g.settled()
	lost := g.swallow(3) // stands in the server's queue before the verifier's next pull
	for i := 1; i <= 6; i++ {
		post(i)
	}
	for range 3 {
		if _, err := lost.NextMsg(5 * time.Second); err != nil {
			t.Fatalf("nothing was lost: %v", err)
		}
	}
	g.settled()
	var got []string
	for _, e := range g.events() {
		got = append(got, e.Subject)
	}
	equal(t, "events", got, []string{"0", "1", "2", "3", "4", "5", "6"})
}
