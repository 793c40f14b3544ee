package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/oklog/ulid/v2"
)

// pollEvery is how often a long poll looks at the consumers of targets that are silent.
const pollEvery = 250 * time.Millisecond

// delivery answers with what became of one delivery, waiting for its end when asked to.
func (a *Admin) delivery(w http.ResponseWriter, r *http.Request) error {
	id, err := ulid.ParseStrict(r.PathValue("id"))
	if err != nil {
		return problem(http.StatusBadRequest, "a delivery id is a ULID", "take it from the ingress's answer")
	}
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	out, err := a.await(r.Context(), id, wait)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// await looks into the streams first when the ring does not know the verifier's word, and
// again at the end: the live view may have missed it.
func (a *Admin) await(ctx context.Context, id ulid.ULID, wait time.Duration) (api.Delivery, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	if err := a.live.wake(); err != nil {
		return api.Delivery{}, err
	}
	if err := a.recall(ctx, id); err != nil {
		return api.Delivery{}, err
	}
	for {
		if err := a.passed(ctx, id.String()); err != nil {
			return api.Delivery{}, err
		}
		d, _, _, changed := a.follow.known(id.String())
		if d.Final || wait == 0 {
			return d, nil
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-ctx.Done():
			return d, ctx.Err()
		case <-a.stopping:
			return d, nil
		case <-deadline.C:
			if err := a.recall(ctx, id); err != nil {
				return api.Delivery{}, err
			}
			d, _, _, _ = a.follow.known(id.String())
			return d, nil
		}
	}
}

// recall reads a delivery's outcome from the streams unless it is known. They are read
// from when the id was made, for a bounded time.
func (a *Admin) recall(ctx context.Context, id ulid.ULID) error {
	if d, _, _, _ := a.follow.known(id.String()); judged(d) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	since := ulid.Time(id.Time()).Add(-clockSlack)
	for _, at := range []struct {
		kind   string
		stream bus.Stream
		header string
	}{
		{"verified", bus.Verified, "ce-dwdelivery"},
		{"refused", bus.Refused, bus.HeaderDelivery},
		{"quarantine", bus.Quarantine, bus.HeaderDelivery},
		{"dead", bus.Dead, bus.HeaderDelivery},
	} {
		err := a.bus.reader(at.stream).Scan(ctx, bus.From{Time: since}, func(s *bus.Stored) error {
			if first(s.Header, at.header) != id.String() {
				return nil
			}
			a.follow.see(observe(at.kind, s))
			if at.kind == "dead" {
				return nil // one for each target
			}
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			if errors.Is(err, context.DeadlineExceeded) {
				return nil // too much was stored since; what is known is the answer
			}
			return err
		}
	}
	return nil
}

const (
	recallTime = 3 * time.Second
	// clockSlack is how far the clock that made an id may be ahead of the bus's.
	clockSlack = 5 * time.Second
)

func judged(d api.Delivery) bool {
	for _, s := range d.Steps {
		if s.Door == "verifier" {
			return true
		}
	}
	return false
}

// passed finds the targets whose consumer is done with the event although none of them
// said so: its condition did not hold, or its word was missed.
func (a *Admin) passed(ctx context.Context, id string) error {
	d, awaited, verified, _ := a.follow.known(id)
	if verified == nil || time.Since(verified.At) < settleAfter {
		return nil
	}
	for _, target := range awaited {
		done, err := a.bus.past(ctx, target, verified.Seq)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		detail := "the target is past this event"
		if a.targetsOf(d.Source)[target] {
			detail = "the target is past this event; its condition may not have held"
		}
		o := observation{id: id, steps: []api.Step{{Door: "dispatcher", What: "passed", Subject: target, Detail: detail, At: time.Now().UTC()}}}
		a.follow.see(o.timed())
	}
	return nil
}

// past says whether a target's consumer has settled everything up to seq.
func (l *looker) past(ctx context.Context, target string, seq uint64) (bool, error) {
	info, err := l.consumer(ctx, bus.Verified, bus.TargetConsumer(target))
	if err != nil || info == nil {
		return false, err
	}
	return info.AckFloor.Stream >= seq || info.NumPending == 0 && info.NumAckPending == 0, nil
}
