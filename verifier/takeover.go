package verifier

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/bus"
)

// takeOver asks for one message. Whoever gets one under a new pin drops it, resets the
// consumer to its ack floor and learns what the one before has recorded already.
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
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("read a raw message: %w", err)
	}
	if err := l.reset(ctx); err != nil {
		return err
	}
	if err := l.recall(ctx, meta.Timestamp); err != nil {
		return err
	}
	l.pin = m.Headers().Get("Nats-Pin-Id")
	return nil
}

// rouse frees what a dead verifier held on an idle lane: nobody is pinned, and what it
// had not acknowledged would come again only with the next message.
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
	if info.NumAckPending > 0 {
		return l.reset(ctx)
	}
	return nil
}

func (l *lane) reset(ctx context.Context) error {
	_, err := l.v.edge.ResetConsumer(ctx, l.v.names.Stream(bus.Raw), bus.LaneConsumer(l.number))
	if err != nil {
		return fmt.Errorf("reset lane %d: %w", l.number, err)
	}
	return nil
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
	l.pin = ""
	select {
	case <-time.After(retryPause):
	case <-ctx.Done():
	}
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
