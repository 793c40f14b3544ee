package verifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/bus"
)

// takeOver asks for one message. Whoever gets one under a new pin drops it, resets the
// consumer to the oldest message still stored and learns what the one before has recorded
// already.
func (l *lane) takeOver(ctx context.Context) error {
	l.settle.drain()
	batch, err := l.fetch(1)
	if err != nil {
		return err
	}
	m, ok := <-batch.Messages()
	if !ok {
		if err := l.ended(batch.Error()); err != nil {
			return err
		}
		return l.rouse(ctx)
	}
	exhaust(batch)
	oldest, err := l.reset(ctx)
	if errors.Is(err, bus.ErrNotFound) {
		return nil // another verifier removed it meanwhile
	}
	if err != nil {
		return err
	}
	if err := l.recall(ctx, oldest); err != nil {
		return err
	}
	l.pin = m.Headers().Get("Nats-Pin-Id")
	return nil
}

// rouse frees, on an idle lane that nobody is pinned to, what would otherwise come again
// only with the next message: what a dead verifier held, and messages below the ack floor
// that it did not come to remove; nobody would ever deliver them again.
func (l *lane) rouse(ctx context.Context) error {
	info, err := l.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("look at lane %d: %w", l.number, err)
	}
	for _, g := range info.PriorityGroups {
		if g.PinnedClientID != "" {
			return nil
		}
	}
	life := l.v.edgeConn.Stats().Reconnects + 1
	if info.NumAckPending == 0 && (info.NumPending > 0 || l.swept == life) {
		return nil
	}
	l.swept = life
	if _, err = l.reset(ctx); errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	return err
}

// reset makes the consumer begin again with the oldest message that the lane still stores,
// and returns when that was received, or bus.ErrNotFound. Everything stored is unsettled, or
// was settled and is only to be acknowledged once more.
func (l *lane) reset(ctx context.Context) (oldest time.Time, err error) {
	stream := l.v.names.Stream(bus.Raw)
	seq, oldest, err := bus.FirstOf(ctx, l.v.edgeConn, stream, l.v.names.RawLane(l.number))
	if err != nil {
		return oldest, err
	}
	l.oldest, l.last = seq, 0
	if _, err := l.v.edge.ResetConsumerToSequence(ctx, stream, bus.LaneConsumer(l.number), seq); err != nil {
		return oldest, fmt.Errorf("reset lane %d to raw message %d: %w", l.number, seq, err)
	}
	return oldest, nil
}

// recall reads what was recorded since the oldest unsettled message was received, and
// further back when it is so old that its copies may have left the duplicate window.
func (l *lane) recall(ctx context.Context, oldest time.Time) error {
	if l.v.outlivedWindow(oldest) {
		oldest = oldest.Add(-l.v.rules.Load().lookback)
	}
	m, err := l.v.readers.recall(ctx, l.number, oldest)
	if err != nil {
		return err
	}
	l.memory = m
	return nil
}

// startOver forgets the pin after a failure; the next turn resets and takes over.
func (l *lane) startOver(ctx context.Context) {
	l.settle.drain()
	l.settle.mend()
	l.pin = ""
	pause(ctx)
	l.unpin(ctx)
}

// leave hands the lane on at once instead of after the pin's time to live.
func (l *lane) leave() {
	if l.pin == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.unpin(ctx)
}

func (l *lane) unpin(ctx context.Context) {
	subject := bus.APILocal + ".CONSUMER.UNPIN." + l.v.names.Stream(bus.Raw) + "." + bus.LaneConsumer(l.number)
	if _, err := l.v.edgeConn.RequestWithContext(ctx, subject, []byte(`{"group":"`+bus.PinGroup+`"}`)); err != nil {
		l.log.Debug().Int("lane", l.number).Str("cause", err.Error()).Msg("lane was not handed on")
	}
}
