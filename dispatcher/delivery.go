package dispatcher

import (
	"context"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go/jetstream"
)

// delivery is one event in a worker's hands.
type delivery struct {
	msg     jetstream.Msg
	event   *event.Event
	seq     uint64 // in the verified stream
	attempt int    // counted from 1, by the bus: a crash counts too
}

// begin starts a delivery. Publishes are under way when it returns, in the order of the
// stream; the rest goes on beside the next ones, except for an ordered target.
func (w *worker) begin(ctx, work context.Context, m jetstream.Msg) {
	w.flights.add(m)
	land := func() {
		w.flights.remove(m)
		w.release(1)
	}
	d, r, wanted := w.read(m)
	switch {
	case ctx.Err() != nil: // from the last fetch of a worker that is to stop, or of a target that is gone
		defer land()
		w.nak(d, fetchWait)
	case r.Answer == target.Refuse:
		go func() { defer land(); w.settle(work, d, r) }()
	case !wanted:
		defer land()
		w.gauge.filtered.Inc()
		w.ack(d)
	case w.ordered:
		defer land()
		w.hold(ctx, work, d)
	default:
		began, attempt := time.Now(), w.target.Begin(d.event)
		go func() { defer land(); w.finish(work, d, began, attempt) }()
	}
}

// read makes a delivery of a message. An event that can't be read or judged is refused:
// it would fail the same way again.
func (w *worker) read(m jetstream.Msg) (d delivery, r target.Result, wanted bool) {
	d.msg = m
	meta, err := m.Metadata()
	if err == nil {
		d.seq, d.attempt = meta.Sequence.Stream, int(meta.NumDelivered)
		d.event, err = event.Read(m.Headers(), m.Data())
	}
	if err == nil {
		wanted, err = w.filter.match(d.event)
	}
	if err != nil {
		return d, target.Refused(outcome.Internal, err.Error()), false
	}
	return d, r, wanted
}

func (w *worker) finish(work context.Context, d delivery, began time.Time, attempt target.Attempt) {
	r := attempt(work)
	w.gauge.took(time.Since(began))
	w.settle(work, d, r)
}

// hold keeps at one event until it is delivered or dead: nothing passes it. When the
// worker is to stop, the event goes back and is the next one again.
func (w *worker) hold(ctx, work context.Context, d delivery) {
	for {
		began := time.Now()
		r := w.target.Begin(d.event)(work)
		w.gauge.took(time.Since(began))
		if r.Answer != target.Retry || w.schedule.last(d.attempt) || work.Err() != nil {
			w.settle(work, d, r)
			return
		}
		w.gauge.retried.Inc()
		until := time.Now().Add(w.schedule.after(d.attempt, r.After))
		if !sleep(ctx, time.Until(until)) {
			w.nak(d, time.Until(until))
			return
		}
		d.attempt++
	}
}
