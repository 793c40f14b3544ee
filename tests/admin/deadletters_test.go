package admin_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
)

func TestDeadLettersAreListedAndShown(t *testing.T) {
	w := start(t, options{})
	w.refused("a", 1, "d1", outcome.BadSignature)
	w.refused("a", 2, "d2", outcome.Stale)
	w.refused("b", 3, "d3", outcome.Stale)
	w.refused("a", 4, "d4", outcome.DuplicateReason)
	w.dead("one", "a", 9, "d5", outcome.TargetTimeout)
	w.dead("two", "b", 9, "d6", outcome.Target4xx)
	for _, c := range []struct {
		name string
		q    api.DeadLetterQuery
		want []string // in any order: two accounts have two clocks' worth of order
	}{
		{"all", api.DeadLetterQuery{}, []string{"dead:1", "dead:2", "quarantine:1", "refused:1", "refused:2"}},
		{"from", api.DeadLetterQuery{From: "refused"}, []string{"refused:1", "refused:2"}},
		{"source", api.DeadLetterQuery{Source: "b"}, []string{"dead:2", "refused:2"}},
		{"target", api.DeadLetterQuery{Target: "one"}, []string{"dead:1"}},
		{"reason", api.DeadLetterQuery{Reason: "stale"}, []string{"refused:1", "refused:2"}},
		{"duplicates when asked for", api.DeadLetterQuery{Reason: "duplicate"}, []string{"refused:3"}},
		{"since", api.DeadLetterQuery{Since: time.Now().Add(time.Hour)}, nil},
		{"since before", api.DeadLetterQuery{From: "dead", Since: time.Now().Add(-time.Hour)}, []string{"dead:1", "dead:2"}},
	} {
		got, err := w.client.DeadLetters(t.Context(), c.q)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var ids []string
		for _, r := range got.Rows {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, c.want) || got.Matched != len(c.want) {
			t.Errorf("%s: %v of %d, want %v", c.name, ids, got.Matched, c.want)
		}
	}
	got, err := w.client.DeadLetters(t.Context(), api.DeadLetterQuery{From: "refused", Limit: 1})
	if err != nil || len(got.Rows) != 1 || got.Rows[0].ID != "refused:2" || got.Matched != 2 || !slices.Equal(got.Reasons, []api.ReasonNumber{{Reason: "stale", Count: 2}}) {
		t.Errorf("limit 1: %+v, %v, want the newest of two", got, err)
	}
	for _, bad := range []string{"from=raw", "source=*", "target=a.b", "reason=none", "limit=0x", "limit=1001", "limit=-1", "since=yesterday"} {
		if res, body := w.request("GET", "/v1/deadletters?"+bad, ""); res.StatusCode != 400 {
			t.Errorf("%s: %d %s", bad, res.StatusCode, body)
		}
	}
}

func TestDeadLetterShowsNoSecret(t *testing.T) {
	w := start(t, options{})
	w.refused("a", 12, "d1", outcome.BadSignature)
	got, err := w.client.DeadLetter(t.Context(), "quarantine", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "quarantine:1" || got.Lineage.Raw != 12 || got.SealKey != "seal-1" || got.Received.IsZero() || got.Fix == "" || !strings.HasPrefix(got.View, "POST /in/a HTTP/1.1\r\n") {
		t.Errorf("quarantined: %+v", got)
	}
	if body, _ := json.Marshal(got); bytes.Contains(body, []byte("sealed")) || got.Data != nil {
		t.Errorf("the sealed request is shown: %s", body)
	}
	w.dead("one", "a", 9, "d5", outcome.TargetTimeout)
	got, err = w.client.DeadLetter(t.Context(), "dead", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Attempts != 8 || got.Type != "task.done" || got.Lineage != (api.Lineage{Raw: 7, Event: 9}) || string(got.JSON) != `{"a":1}` || string(got.Data) != `{"a":1}` || got.Attributes["dwsource"] != "a" {
		t.Errorf("dead: %+v", got)
	}
	_, err = w.client.DeadLetter(t.Context(), "dead", 2)
	status(t, err, 404)
	_, err = w.client.DeadLetter(t.Context(), "raw", 1)
	status(t, err, 400)
}

func (w *world) lastOf(stream bus.Stream, api, subject string) *bus.Stored {
	w.t.Helper()
	s, err := bus.NewReader(w.Connect(w.t, bus.OpsUser), api, w.Names.Stream(stream)).Last(w.t.Context(), subject)
	if err != nil {
		return nil
	}
	return s
}

func TestReplayIsAuditedThenOrderedThenReported(t *testing.T) {
	w := start(t, options{})
	ctx := t.Context()
	w.refused("a", 1, "d1", outcome.Stale)
	w.refused("a", 2, "d2", outcome.DuplicateReason)
	w.refused("a", 3, "d3", outcome.Stale)
	w.refused("a", 4, "d4", outcome.Schema)
	filter := &api.DeadLetterQuery{Reason: "stale"}
	dry, err := w.client.OrderReplays(ctx, api.ReplayRequest{From: "refused", Filter: filter, DryRun: true})
	if err != nil || dry.Matched != 2 || len(dry.Orders) != 2 || dry.Orders[0].ID != "" || !dry.DryRun {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if w.lastOf(bus.AuditLog, bus.APIAudit, w.Names.AuditEntry("replay")) != nil || w.lastOf(bus.Replay, bus.APICore, w.Names.All("replay")) != nil {
		t.Error("a dry run left something behind")
	}
	one, err := w.client.OrderReplays(ctx, api.ReplayRequest{From: "refused", Filter: filter, Limit: 1, Note: "clock mended", MayDuplicate: true})
	if err != nil || one.Matched != 2 || len(one.Orders) != 1 || one.Orders[0].Seq != 3 {
		t.Fatalf("limit 1: %+v, %v", one, err)
	}
	id := one.Orders[0].ID
	var order bus.Order
	s := w.lastOf(bus.Replay, bus.APICore, w.Names.ReplayOrder("refused", id))
	if s == nil || json.Unmarshal(s.Data, &order) != nil || order.ID != id || order.Seq != 3 || order.Note != "clock mended" || !order.MayDuplicate || order.By == "" {
		t.Errorf("order %+v", order)
	}
	entry := w.lastOf(bus.AuditLog, bus.APIAudit, w.Names.AuditEntry("replay"))
	if entry == nil || !bytes.Contains(entry.Data, []byte(id)) || !bytes.Contains(entry.Data, []byte("clock mended")) || entry.Time.After(s.Time) {
		t.Errorf("audit entry %v before the order at %s", entry, s.Time)
	}
	w.reported(id)
	bySeq, err := w.client.OrderReplays(ctx, api.ReplayRequest{From: "refused", Seqs: []uint64{4, 1, 4}})
	if err != nil || len(bySeq.Orders) != 2 || bySeq.Orders[0].Seq != 1 {
		t.Errorf("by sequence: %+v, %v, want each once and in order", bySeq, err)
	}
}

// reported plays the verifier's answer to an order.
func (w *world) reported(id string) {
	w.t.Helper()
	r, err := w.client.Replay(w.t.Context(), id, 0)
	if err != nil || !r.Pending {
		w.t.Errorf("before it is done: %+v, %v", r, err)
	}
	body, _ := json.Marshal(bus.Done{Order: id, Result: "refused", Reason: "schema", Detail: "no task_id", Seq: 5, At: time.Now()})
	w.publish(w.verifier, &nats.Msg{Subject: w.Names.ReplayDone(id), Data: body})
	r, err = w.client.Replay(w.t.Context(), id, 10*time.Second)
	if err != nil || r.Pending || r.Result != "refused" || r.Reason != "schema" || r.Fix == "" || r.Seq != 5 {
		w.t.Errorf("done: %+v, %v", r, err)
	}
}

func TestReplayRefuses(t *testing.T) {
	o := options{}
	o.Limits = map[bus.Stream]bus.Limit{bus.AuditLog: {MaxBytes: 4096}}
	w := start(t, o)
	w.refused("a", 1, "d1", outcome.Stale)
	w.refused("a", 2, "d2", outcome.DuplicateReason)
	for _, c := range []struct {
		name string
		req  api.ReplayRequest
		want int
	}{
		{"a duplicate", api.ReplayRequest{From: "refused", Seqs: []uint64{2}}, 409},
		{"duplicates by filter", api.ReplayRequest{From: "refused", Filter: &api.DeadLetterQuery{Reason: "duplicate"}}, 409},
		{"what is not there", api.ReplayRequest{From: "refused", Seqs: []uint64{9}}, 404},
		{"nothing matched", api.ReplayRequest{From: "dead", Filter: &api.DeadLetterQuery{}}, 404},
		{"neither", api.ReplayRequest{From: "refused"}, 400},
		{"both", api.ReplayRequest{From: "refused", Seqs: []uint64{1}, Filter: &api.DeadLetterQuery{}}, 400},
		{"another stream", api.ReplayRequest{From: "raw", Seqs: []uint64{1}}, 400},
		{"two streams", api.ReplayRequest{From: "refused", Filter: &api.DeadLetterQuery{From: "dead"}}, 400},
		{"too many", api.ReplayRequest{From: "refused", Seqs: slices.Repeat([]uint64{1}, 1001)}, 400},
		{"limit", api.ReplayRequest{From: "refused", Filter: &api.DeadLetterQuery{}, Limit: 1_000_000}, 400},
		{"long note", api.ReplayRequest{From: "refused", Seqs: []uint64{1}, Note: strings.Repeat("x", 1001)}, 400},
	} {
		_, err := w.client.OrderReplays(t.Context(), c.req)
		if err == nil {
			t.Errorf("%s: passed", c.name)
			continue
		}
		status(t, err, c.want)
	}
	_, err := w.client.Replay(t.Context(), "01ARZ3NDEKTSV4RRFFQ69G5FAV", 0)
	status(t, err, 404)
	if w.lastOf(bus.Replay, bus.APICore, w.Names.All("replay")) != nil {
		t.Fatal("a refused replay was ordered")
	}
	w.fillAudit(api.ReplayRequest{From: "refused", Seqs: []uint64{1}})
}

// fillAudit orders the good twin until the audit is full: operators are refused then, and
// nothing is ordered that it does not hold.
func (w *world) fillAudit(req api.ReplayRequest) {
	w.t.Helper()
	good := 0
	var err error
	for range 100 {
		if _, err = w.client.OrderReplays(w.t.Context(), req); err != nil {
			break
		}
		good++
	}
	status(w.t, err, 503)
	orders := 0
	scan := bus.NewReader(w.Connect(w.t, bus.OpsUser), bus.APICore, w.Names.Stream(bus.Replay))
	if err := scan.Scan(w.t.Context(), bus.From{}, func(*bus.Stored) error { orders++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	if good == 0 || orders != good {
		w.t.Errorf("%d orders for %d that were accepted", orders, good)
	}
}

func TestStats(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"one": {From: []string{"a"}}}})
	raw, id := w.received("a")
	w.verified("a", raw, id)
	w.refused("b", raw, id, outcome.Stale)
	w.refused("b", raw, id, outcome.DuplicateReason)
	w.dead("one", "a", 1, id, outcome.Target5xx)
	got, err := w.client.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Streams) != 9 || got.Streams[0].Stream != "DW_RAW" || got.Streams[0].Messages != 1 || got.Streams[0].OldestSeconds <= 0 || got.Streams[0].MaxBytes == 0 {
		t.Errorf("streams %+v", got.Streams)
	}
	if lane := got.Lanes[bus.LaneOf("a")]; len(got.Lanes) != bus.Lanes || lane.Pending != 1 || lane.Missing {
		t.Errorf("lanes %+v", got.Lanes)
	}
	if one := got.Targets[0]; len(got.Targets) != 1 || one.Name != "one" || one.Pending != 1 || one.OldestSeconds <= 0 {
		t.Errorf("targets %+v", got.Targets)
	}
	want := []api.Tally{
		{Outcome: "dead", Target: "one", Reason: "target_5xx", Count: 1}, {Outcome: "duplicate", Source: "b", Count: 1},
		{Outcome: "refused", Source: "b", Reason: "stale", Count: 1}, {Outcome: "verified", Source: "a", Count: 1},
	}
	if !slices.Equal(got.Stored, want) {
		t.Errorf("stored %+v, want %+v", got.Stored, want)
	}
}
