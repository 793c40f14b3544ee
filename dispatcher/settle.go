package dispatcher

import (
	"context"
	"strconv"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
)

// burialPause is how long an event waits whose dead letter could not be stored.
const burialPause = 5 * time.Second

// settle turns a result into what the bus is told. The event is acknowledged only after
// its outcome is stored somewhere; whatever is cut short stays in the stream.
func (w *worker) settle(work context.Context, d delivery, r target.Result) {
	switch {
	case r.Answer == target.Done:
		w.gauge.done(d.attempt)
		w.ack(d)
		w.tell(d)
	case work.Err() != nil: // the attempt was cut short by stopping and says nothing of the target
	case r.Answer == target.Retry && !w.schedule.last(d.attempt):
		w.gauge.retried.Inc()
		w.nak(d, w.schedule.after(d.attempt, r.After))
	default:
		w.burial(work, d, r)
	}
}

func (w *worker) burial(work context.Context, d delivery, r target.Result) {
	if !outcome.Known(r.Reason) {
		r.Reason = outcome.Internal
	}
	l := letter{target: w.name, header: d.msg.Headers(), data: d.msg.Data(), seq: d.seq, attempts: d.attempt, result: r}
	if _, err := w.bury(work, l); err != nil {
		w.log.Error().Str("target", w.name).Uint64("event_seq", d.seq).Str("cause", err.Error()).Msg("dead letter was not stored")
		w.nak(d, burialPause)
		return
	}
	source := ""
	if d.event != nil {
		source = d.event.DwSource
	}
	w.gauge.died(source, r.Reason, d.attempt)
	w.ack(d)
}

// ack and nak may be lost with the connection: the event then comes again, and its id
// makes that harmless.
func (w *worker) ack(d delivery) {
	if err := d.msg.Ack(); err != nil {
		w.log.Debug().Str("target", w.name).Str("cause", err.Error()).Msg("acknowledgement was not sent")
	}
}

func (w *worker) nak(d delivery, after time.Duration) {
	if err := d.msg.NakWithDelay(max(after, time.Millisecond)); err != nil {
		w.log.Debug().Str("target", w.name).Str("cause", err.Error()).Msg("negative acknowledgement was not sent")
	}
}

// taken is what whoever watches learns of an event that a target took.
type taken struct {
	target, delivery, id string
	seq                  uint64 // in the verified stream
	attempts             int
	replayOf             string // the delivery that this replays, "" for a first delivery
}

// tell lets whoever watches know of a delivery: best effort, never in the way.
func (w *worker) tell(d delivery) {
	w.announce(taken{target: w.name, delivery: d.event.DwDelivery, id: d.event.ID, seq: d.seq, attempts: d.attempt})
}

func (k *kit) announce(t taken) {
	m := &nats.Msg{Subject: k.names.Live("delivered", t.target), Header: nats.Header{
		bus.HeaderDelivery: {t.delivery},
		bus.HeaderEvent:    {strconv.FormatUint(t.seq, 10)},
		bus.HeaderTarget:   {t.target},
		bus.HeaderAttempts: {strconv.Itoa(t.attempts)},
		"ce-id":            {sanitise(t.id)},
	}}
	if t.replayOf != "" {
		m.Header[bus.HeaderReplayOf] = []string{t.replayOf}
	}
	_ = k.nc.PublishMsg(m)
}
