package dispatcher_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
)

// orders publishes an order as an operator and waits for its outcome.
func (w *world) orders(o bus.Order) bus.Done {
	w.t.Helper()
	nc := ops(w)
	p, err := bus.NewPublisher(nc, bus.OpsUser, patience)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ordered(nc, p, o.ID, data)
}

// ordered publishes an order's bytes and waits for its outcome.
func (w *world) ordered(nc *nats.Conn, p *bus.Publisher, id string, data []byte) bus.Done {
	w.t.Helper()
	m := &nats.Msg{Subject: w.bus.Names.ReplayOrder("dead", id), Data: data, Header: nats.Header{bus.MsgID: {id}}}
	if _, err := p.Publish(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
	replays := bus.NewReader(nc, bus.APICore, w.bus.Names.Stream(bus.Replay))
	var done bus.Done
	eventually(w.t, "order "+id+" is reported", func() bool {
		s, err := replays.Last(context.Background(), w.bus.Names.ReplayDone(id))
		return err == nil && json.Unmarshal(s.Data, &done) == nil
	})
	return done
}

func TestReplayGoesToItsOwnTargetOnly(t *testing.T) {
	var mended atomic.Bool
	r := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if !mended.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	other := receive(t, nil)
	w := start(t, options{
		targets: map[string]config.Target{"billing": httpTarget(r.URL), "other": httpTarget(other.URL)},
		ports:   []int{r.port(), other.port()},
	})
	e := someEvent(1)
	w.publish(e)
	letter := w.letters(1)[0]
	other.wait(t, 1)

	done := w.order("ORDER1", letter.Seq)
	again := w.letters(2)[1]
	if done.Result != "dead" || done.Reason != "target_gone" || done.Seq != again.Seq || done.Order != "ORDER1" || done.At.IsZero() {
		t.Errorf("a replay that fails again: %+v", done)
	}
	for header, want := range map[string]string{
		bus.HeaderReplayOf: e.DwDelivery, bus.HeaderDelivery: "ORDER1", bus.HeaderEvent: letter.Header.Get(bus.HeaderEvent),
		bus.MsgID: letter.Header.Get(bus.MsgID) + ".ORDER1", "ce-id": e.ID, bus.HeaderTarget: "billing",
	} {
		if got := again.Header.Get(header); got != want {
			t.Errorf("the new letter's %s is %q, want %q", header, got, want)
		}
	}

	mended.Store(true)
	if done := w.order("ORDER2", again.Seq); done.Result != "delivered" {
		t.Errorf("a replay to a mended target: %+v", done)
	}
	if got := len(r.requests()); got != 3 {
		t.Errorf("its own target got %d requests, want 3", got)
	}
	if got := len(other.requests()); got != 1 {
		t.Errorf("the other target got %d requests, want 1", got)
	}
	w.letters(2)
}

func TestReplayThatCanNotBeCarriedOut(t *testing.T) {
	r := receive(t, status(http.StatusGone))
	w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}})
	w.publish(someEvent(1))
	letter := w.letters(1)[0]
	if done := w.order("NOLETTER", letter.Seq+100); done.Result != "failed" || done.Detail == "" {
		t.Errorf("no such letter: %+v", done)
	}
	if err := w.door.Reload(configOf(nil, []int{r.port()})); err != nil {
		t.Fatal(err)
	}
	if done := w.order("NOTARGET", letter.Seq); done.Result != "failed" || done.Detail == "" {
		t.Errorf("no such target: %+v", done)
	}
	nc := ops(w)
	p, err := bus.NewPublisher(nc, bus.OpsUser, patience)
	if err != nil {
		t.Fatal(err)
	}
	for id, data := range map[string]string{"NOJSON": "{", "OTHERID": `{"id": "ANOTHER", "from": "dead", "seq": 1}`} {
		if done := w.ordered(nc, p, id, []byte(data)); done.Result != "failed" || done.Order != id {
			t.Errorf("an order that says %s: %+v", data, done)
		}
	}
	if got := len(r.requests()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}
