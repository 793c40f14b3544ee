package dispatcher

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
)

// letter is an event that a target did not get.
type letter struct {
	target   string
	header   nats.Header // of the stored event; its ce- headers are kept as they are
	data     []byte
	seq      uint64 // in the verified stream
	attempts int
	result   target.Result
	// order and replayOf are set on replays: the order's id, and the delivery it replays.
	order, replayOf string
}

// maxDetail bounds what a header says, in bytes.
const maxDetail = 512

// message is the letter as the stream of dead letters keeps it. Its id makes a second
// copy of it, after a crash, a duplicate; a replay that fails is a letter of its own.
func (l letter) message(names bus.Names) *nats.Msg {
	m := &nats.Msg{Subject: names.Dead(l.target, string(l.result.Reason)), Data: l.data, Header: nats.Header{}}
	for name, values := range l.header {
		if strings.HasPrefix(name, "ce-") {
			m.Header[name] = values
		}
	}
	seq := strconv.FormatUint(l.seq, 10)
	id := l.target + "." + first(l.header, "ce-id") + "." + seq
	delivery := first(l.header, "ce-dwdelivery")
	if l.order != "" {
		id, delivery = id+"."+l.order, l.order
		m.Header.Set(bus.HeaderReplayOf, l.replayOf)
	}
	m.Header.Set(bus.MsgID, id)
	m.Header.Set(bus.HeaderTarget, l.target)
	m.Header.Set(bus.HeaderReason, string(l.result.Reason))
	m.Header.Set(bus.HeaderAttempts, strconv.Itoa(l.attempts))
	m.Header.Set(bus.HeaderDetail, sanitise(l.result.Detail))
	m.Header.Set(bus.HeaderEvent, seq)
	m.Header.Set(bus.HeaderDelivery, delivery)
	return m
}

// bury stores a letter and returns its sequence in the stream of dead letters. Only then
// may what it was made from be acknowledged.
func (k *kit) bury(ctx context.Context, l letter) (uint64, error) {
	ack, err := k.publisher.Publish(ctx, l.message(k.names))
	if err != nil {
		return 0, fmt.Errorf("store a dead letter of %s: %w", l.target, err)
	}
	return ack.Seq, nil
}

// sanitise keeps text printable, so that a header can't forge another or move a terminal.
func sanitise(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), maxDetail)])
	return strings.TrimSpace(text)
}

func first(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
