package event

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"
)

func sample() *Event {
	at := time.Date(2026, 11, 21, 10, 42, 7, 118000000, time.UTC)
	return &Event{
		ID: "msg_1", Source: "doorward:agents", Type: "agent.task.completed", Subject: "t-1", Time: at, DataContentType: "application/json",
		DwSource: "agents", DwScheme: "standard-webhooks/v1", DwKeyID: "k1", DwDelivery: "01K9X7C4", DwRaw: 42, DwDigest: "ab", DwAssurance: "message",
		RecordedTime: at, DwReplayOf: "01K", CorrelationID: "t 1 \"ü%", TraceParent: "00-1-2-01", Data: []byte(`{"a": 1}`),
	}
}

func TestBindingKeepsEverything(t *testing.T) {
	want := sample()
	m := want.Msg("dw.in.agents.agent.task.completed")
	if got := m.Header["ce-correlationid"][0]; got != "t%201%20%22%C3%BC%25" {
		t.Errorf("correlationid is written %q", got)
	}
	got, err := Read(m.Header, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

func TestReadRefusesWhatIsNoEvent(t *testing.T) {
	for name, change := range map[string]func(nats.Header){
		"no specversion":  func(h nats.Header) { delete(h, "ce-specversion") },
		"other version":   func(h nats.Header) { h["ce-specversion"] = []string{"0.3"} },
		"no id":           func(h nats.Header) { delete(h, "ce-id") },
		"bad time":        func(h nats.Header) { h["ce-time"] = []string{"yesterday"} },
		"bad raw":         func(h nats.Header) { h["ce-dwraw"] = []string{"-1"} },
		"bare percent":    func(h nats.Header) { h["ce-subject"] = []string{"%"} },
		"escaped garbage": func(h nats.Header) { h["ce-subject"] = []string{"%FF%FE"} },
	} {
		h := sample().Msg("x").Header
		change(h)
		if _, err := Read(h, nil); !errors.Is(err, ErrNotAnEvent) {
			t.Errorf("%s: got %v, want ErrNotAnEvent", name, err)
		}
	}
}

func TestEscapeIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		back, err := Unescape(Escape(s))
		if err != nil || back != s {
			t.Fatalf("Unescape(Escape(%q)) = %q, %v", s, back, err)
		}
	})
}

func TestCloudEventIsStructured(t *testing.T) {
	ce, err := sample().CloudEvent()
	if err != nil {
		t.Fatal(err)
	}
	body, err := ce.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","id":"msg_1","source":"doorward:agents","type":"agent.task.completed","subject":"t-1","datacontenttype":"application/json","time":"2026-11-21T10:42:07.118Z","data":{"a": 1},"correlationid":"t 1 \"ü%","dwassurance":"message","dwdelivery":"01K9X7C4","dwdigest":"ab","dwkeyid":"k1","dwraw":"42","dwreplayof":"01K","dwscheme":"standard-webhooks/v1","dwsource":"agents","recordedtime":"2026-11-21T10:42:07.118Z","traceparent":"00-1-2-01"}`
	if string(body) != want {
		t.Errorf("structured form is\n%s, want\n%s", body, want)
	}
}

func BenchmarkMsg(b *testing.B) {
	e := sample()
	e.CorrelationID = "t-1"
	b.ReportAllocs()
	for b.Loop() {
		e.Msg("dw.in.agents.agent.task.completed")
	}
}
