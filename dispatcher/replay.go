package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
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
	var o bus.Order
	if err := json.Unmarshal(m.Data(), &o); err != nil || !bus.ValidToken(o.ID) {
		p.log.Error().Str("subject", m.Subject()).Msg("replay order was unreadable")
		_ = m.Term()
		return
	}
	done, err := p.replay(ctx, o)
	if err == nil {
		err = p.report(ctx, done)
	}
	if err != nil {
		p.log.Warn().Str("order", o.ID).Str("cause", err.Error()).Msg("replay was put off")
		_ = m.NakWithDelay(replayPause)
		return
	}
	_ = m.Ack()
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

// replay sends one dead letter once, to the target it failed at and to no other. An error
// means that nothing is known yet and the order must be tried again.
func (p *replayer) replay(ctx context.Context, o bus.Order) (bus.Done, error) {
	done := bus.Done{Order: o.ID, Result: "failed", At: p.now().UTC()}
	stored, err := p.dead.Get(ctx, o.Seq)
	if errors.Is(err, bus.ErrNotFound) {
		done.Detail = fmt.Sprintf("dead letter %d is not kept any more", o.Seq)
		return done, nil
	}
	if err != nil {
		return done, err
	}
	r := p.route(stored.Header.Get(bus.HeaderTarget))
	if r == nil {
		done.Detail = "its target is not in the configuration"
		return done, nil
	}
	result, wanted := attempt(ctx, r, stored)
	switch {
	case result.Answer == target.Done:
		return p.delivered(done, r, stored, o), nil
	case ctx.Err() != nil:
		return done, ctx.Err()
	case !wanted:
		done.Detail = "the event does not match the target's when"
		return done, nil
	}
	return p.diedAgain(ctx, done, r, stored, o, result)
}

func attempt(ctx context.Context, r *route, stored *bus.Stored) (result target.Result, wanted bool) {
	e, err := event.Read(stored.Header, stored.Data)
	if err == nil {
		wanted, err = r.filter.match(e)
	}
	if err != nil {
		return target.Refused(outcome.Internal, err.Error()), true
	}
	if !wanted {
		return result, false
	}
	return r.target.Begin(e)(ctx), true
}

func (p *replayer) delivered(done bus.Done, r *route, stored *bus.Stored, o bus.Order) bus.Done {
	seq, _ := strconv.ParseUint(stored.Header.Get(bus.HeaderEvent), 10, 64)
	r.gauge.done(1)
	p.announce(r.name, o.ID, first(stored.Header, "ce-id"), seq, 1)
	done.Result, done.Seq = "delivered", seq
	return done
}

// diedAgain keeps what failed a second time as a letter of its own, with its lineage.
func (p *replayer) diedAgain(ctx context.Context, done bus.Done, r *route, stored *bus.Stored, o bus.Order, result target.Result) (bus.Done, error) {
	if !outcome.Known(result.Reason) {
		result.Reason = outcome.Internal
	}
	verified, _ := strconv.ParseUint(stored.Header.Get(bus.HeaderEvent), 10, 64)
	seq, err := p.bury(ctx, letter{
		target: r.name, header: stored.Header, data: stored.Data, seq: verified, attempts: 1, result: result,
		order: o.ID, replayOf: stored.Header.Get(bus.HeaderDelivery),
	})
	if err != nil {
		return done, err
	}
	r.gauge.died(first(stored.Header, "ce-dwsource"), result.Reason, 1)
	done.Result, done.Reason, done.Detail, done.Seq = "dead", string(result.Reason), sanitise(result.Detail), seq
	return done, nil
}
