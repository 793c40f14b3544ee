package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
)

// replay sends one dead letter once, to the target it failed at and to no other. An error
// means that nothing is known yet and the order must be tried again.
func (p *replayer) replay(ctx context.Context, done bus.Done, o bus.Order) (bus.Done, error) {
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
	p.announce(taken{target: r.name, delivery: o.ID, id: first(stored.Header, "ce-id"), seq: seq, attempts: 1, replayOf: stored.Header.Get(bus.HeaderDelivery)})
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
