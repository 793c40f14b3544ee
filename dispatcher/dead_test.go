package dispatcher

import (
	"strings"
	"testing"
	"unicode"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"
)

func TestLetterKeepsTheEventAndNothingElse(t *testing.T) {
	l := letter{
		target: "t", data: []byte("body"), seq: 7, attempts: 3, result: target.Refused(outcome.TargetGone, "gone"),
		header: nats.Header{"ce-id": {"a b"}, "ce-dwdelivery": {"D"}, bus.MsgID: {"nonce"}, "Nats-Expected-Last-Sequence": {"1"}, bus.HeaderReason: {"old"}},
	}
	m := l.message(bus.NewNames(""))
	if m.Header.Get("Nats-Expected-Last-Sequence") != "" || m.Header.Get(bus.MsgID) != "t.a b.7" || m.Header.Get(bus.HeaderReason) != "target_gone" || m.Header.Get(bus.HeaderReplayOf) != "" {
		t.Errorf("letter %v", m.Header)
	}
	l.order, l.replayOf = "O", "D"
	m = l.message(bus.NewNames(""))
	if m.Header.Get(bus.MsgID) != "t.a b.7.O" || m.Header.Get(bus.HeaderDelivery) != "O" || m.Header.Get(bus.HeaderReplayOf) != "D" {
		t.Errorf("letter of a replay %v", m.Header)
	}
}

func TestDetailIsPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := sanitise(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")))
		if len(text) > 3*maxDetail || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q", text)
		}
	})
}
