package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// replayPause is how long an order waits that could not be carried out now.
const replayPause = 5 * time.Second

// replayer carries out orders to send dead letters again. Orders run beside one another,
// so that a target which hangs holds up its own replays.
type replayer struct {
	*kit
	consumer jetstream.Consumer
	dead     *bus.Reader
	route    func(target string) *route
}

func (k *kit) newReplayer(ctx context.Context, lookup func(string) *route) (*replayer, error) {
	c, err := k.core.Consumer(ctx, k.names.Stream(bus.Replay), bus.ReplayDispatcher)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("the replay stream has no consumer %s: run set-up", bus.ReplayDispatcher)
	}
	if err != nil {
		return nil, fmt.Errorf("find consumer %s: %w", bus.ReplayDispatcher, err)
	}
	return &replayer{k, c, bus.NewReader(k.nc, bus.APILocal, k.names.Stream(bus.Dead)), lookup}, nil
}

// replayConcurrency bounds orders under way.
const replayConcurrency = 16

func (p *replayer) run(ctx context.Context) {
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	under := newFlights()
	go under.keep(work)
	slots := make(chan struct{}, replayConcurrency)
	for ctx.Err() == nil {
		batch, err := p.consumer.Fetch(1, jetstream.FetchMaxWait(fetchWait))
		if err == nil {
			for m := range batch.Messages() {
				slots <- struct{}{}
				under.add(m)
				go func() { defer func() { under.remove(m); <-slots }(); p.order(work, m) }()
			}
			err = batch.Error()
		}
		if err != nil {
			sleep(ctx, fetchPause)
		}
	}
	limit := time.AfterFunc(drainLimit, abandon)
	defer limit.Stop()
	under.all.Wait()
}

// order carries out one order and reports what became of it, always before the order is
// acknowledged: a replay is never silent.
func (p *replayer) order(ctx context.Context, m jetstream.Msg) {
	done, err := p.carryOut(ctx, m)
	if err == nil {
		err = p.report(ctx, done)
	}
	if err != nil {
		p.log.Warn().Str("order", done.Order).Str("cause", err.Error()).Msg("replay was put off")
		_ = m.NakWithDelay(replayPause)
		return
	}
	_ = m.Ack()
}

// carryOut believes the subject about the order's id: that is where its outcome is looked for.
func (p *replayer) carryOut(ctx context.Context, m jetstream.Msg) (bus.Done, error) {
	id := m.Subject()[strings.LastIndexByte(m.Subject(), '.')+1:]
	done := bus.Done{Order: id, Result: "failed", At: p.now().UTC()}
	var o bus.Order
	if err := json.Unmarshal(m.Data(), &o); err != nil || o.ID != id || !bus.ValidToken(id) {
		done.Detail = "the order is unreadable, or its id is not that of its subject"
		return done, nil
	}
	return p.replay(ctx, done, o)
}

func (p *replayer) report(ctx context.Context, done bus.Done) error {
	data, err := json.Marshal(done)
	if err != nil {
		return fmt.Errorf("encode the outcome of order %s: %w", done.Order, err)
	}
	m := &nats.Msg{Subject: p.names.ReplayDone(done.Order), Data: data, Header: nats.Header{bus.MsgID: {"done." + done.Order}}}
	if _, err := p.publisher.Publish(ctx, m); err != nil {
		return fmt.Errorf("report the outcome of order %s: %w", done.Order, err)
	}
	return nil
}
