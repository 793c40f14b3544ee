package dispatcher_test

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
)

func TestNATSTargetStoresEachEventOnceAndInOrder(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"resume": natsTarget("resume.{source}.{correlationid}")}})
	live, err := ops(w).SubscribeSync("dw.live.delivered.resume")
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	for i := range n {
		w.publish(someEvent(i))
	}
	w.settled("resume")
	got := w.all(w.out)
	if len(got) != n {
		t.Fatalf("stored %d events, want %d", len(got), n)
	}
	for i, m := range got {
		want := someEvent(i)
		if m.Subject != "resume.agents."+want.CorrelationID || m.Header.Get(bus.MsgID) != "resume.agents."+want.ID {
			t.Fatalf("event %d stands on %s as %s", i, m.Subject, m.Header.Get(bus.MsgID))
		}
		e, err := event.Read(m.Header, m.Data)
		if err != nil || string(e.Data) != string(want.Data) || e.DwDelivery != want.DwDelivery || !e.RecordedTime.Equal(want.RecordedTime) {
			t.Fatalf("event %d came out as %+v, %v", i, e, err)
		}
	}
	m, err := live.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get(bus.HeaderTarget) != "resume" || m.Header.Get("ce-id") == "" || m.Header.Get(bus.HeaderEvent) == "" {
		t.Errorf("the live view shows %v", m.Header)
	}
}

func TestHostileCorrelationIDsNeverMeet(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"resume": natsTarget("resume.{correlationid}")}})
	ids := []string{"a", "a.b", "a=2Eb", "a b", "*", ">", "a.*", "=", "=3D", "ä", "a%20b", "a\nb", "../a", "$JS.API", "dw"}
	for _, id := range ids {
		e := someEvent(0)
		e.ID, e.CorrelationID = "id of "+id, id
		w.publish(e)
	}
	w.settled("resume")
	seen := map[string]string{}
	for _, m := range w.all(w.out) {
		e, err := event.Read(m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if other, met := seen[m.Subject]; met {
			t.Errorf("%q and %q met on %s", e.CorrelationID, other, m.Subject)
		}
		if token := strings.TrimPrefix(m.Subject, "resume."); strings.ContainsAny(token, ".*> ") {
			t.Errorf("%q became %s", e.CorrelationID, m.Subject)
		}
		seen[m.Subject] = e.CorrelationID
	}
	if len(seen) != len(ids) {
		t.Errorf("%d subjects for %d ids", len(seen), len(ids))
	}
}

// An id belongs to its source. Were it the whole message id, whoever may send as one
// source could make another's events vanish as duplicates.
func TestSameIDOfTwoSourcesIsTwoEvents(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"resume": natsTarget("resume.{id}")}})
	for _, source := range []string{"agents", "github"} {
		e := someEvent(1)
		e.DwSource = source
		w.publish(e)
	}
	w.settled("resume")
	if got := len(w.all(w.out)); got != 2 {
		t.Errorf("stored %d events, want 2", got)
	}
}

func TestMissingAttributeIsADeadLetter(t *testing.T) {
	w := start(t, options{targets: map[string]config.Target{"resume": natsTarget("resume.{correlationid}")}})
	without, with := someEvent(1), someEvent(2)
	without.CorrelationID = ""
	w.publish(without)
	w.publish(with)
	w.settled("resume")
	m := w.letters(1)[0]
	if m.Subject != "dw.dead.resume.internal" || !strings.Contains(m.Header.Get(bus.HeaderDetail), "correlationid") || m.Header.Get("ce-id") != without.ID {
		t.Errorf("dead letter %s %v", m.Subject, m.Header)
	}
	if got := w.all(w.out); len(got) != 1 || got[0].Header.Get("ce-id") != with.ID {
		t.Errorf("stored %d events, want the one that has a correlation id", len(got))
	}
}

func TestFromAndWhenChoose(t *testing.T) {
	chosen := natsTarget("chosen.{id}")
	chosen.From, chosen.When = []string{"agents"}, `event.type startsWith "agent." and data.n > 1 and source == "agents"`
	w := start(t, options{targets: map[string]config.Target{"chosen": chosen}})
	other, broken := someEvent(9), someEvent(8)
	other.DwSource = "github"
	broken.Data = []byte(`{"n": "text"}`)
	for _, e := range []*event.Event{someEvent(1), someEvent(2), other, broken} {
		w.publish(e)
	}
	w.settled("chosen")
	got := w.all(w.out)
	if len(got) != 1 || got[0].Header.Get("ce-id") != "msg-2" {
		t.Errorf("stored %d events, want msg-2 alone", len(got))
	}
	if m := w.letters(1)[0]; m.Header.Get("ce-id") != broken.ID || m.Header.Get(bus.HeaderReason) != "internal" || !strings.Contains(m.Header.Get(bus.HeaderDetail), "when") {
		t.Errorf("dead letter %v", m.Header)
	}
}
