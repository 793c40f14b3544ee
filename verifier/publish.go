package verifier

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/outcome"
)

// remember decides, for every item that would be verified, whether it is new: by the
// lane's memory where the duplicate window may be over, and by claims where the source
// signs no time. Claims of a chunk are under way together; the stream keeps their order.
func (l *lane) remember(ctx context.Context, items []*item) error {
	claims := make([]*claim, len(items))
	for i, it := range items {
		if it.settled || it.decision.verdict != outcome.Verified {
			continue
		}
		if err := l.consult(ctx, it); err != nil {
			return err
		}
		if it.decision.verdict != outcome.Verified || !it.decision.source.claims() {
			continue
		}
		pending, err := l.v.publisher.Send(claimMsg(l.v.names, it.delivery, &it.decision))
		if err != nil {
			return fmt.Errorf("%w: %w", errClaim, err)
		}
		claims[i] = &claim{pending}
	}
	for i, c := range claims {
		if c == nil {
			continue
		}
		it := items[i]
		held, err := c.settle(ctx, l.v.readers.claims, l.v.names, it.delivery, &it.decision)
		if err != nil {
			return err
		}
		if held != nil {
			it.decision.repeats(*held)
		}
	}
	return nil
}

// consult looks a nonce up in the lane's memory, where the message is so old that the
// window can't be relied on. A memory that does not reach back far enough is read anew.
func (l *lane) consult(ctx context.Context, it *item) error {
	received := it.delivery.received
	if it.decision.source.claims() || !l.v.outlivedWindow(received) {
		return nil
	}
	if !l.memory.reaches(received.Add(-l.v.rules.Load().lookback)) {
		l.settle.drain()
		if err := l.settle.failed(); err != nil {
			return err
		}
		if err := l.recall(ctx, received); err != nil {
			return err
		}
	}
	nonce := it.decision.nonce
	if o, known := l.memory.nonces[nonce]; known && o.raw != it.delivery.raw {
		it.decision.repeats(o)
		return nil
	}
	l.memory.note(nonce, origin{raw: it.delivery.raw, digest: it.decision.digest})
	return nil
}

// repeats turns a decision into a duplicate of an origin, or into a conflict when the
// body is another one.
func (out *decision) repeats(o origin) {
	out.verdict, out.reason, out.repeat = outcome.Duplicate, outcome.DuplicateReason, o.seq
	out.detail = fmt.Sprintf("raw message %d was delivered before", o.raw)
	if o.digest != "" && o.digest != out.digest {
		out.verdict, out.reason = outcome.Refused, outcome.Conflict
		out.detail = fmt.Sprintf("raw message %d had the same id and another body", o.raw)
	}
}

// publish sends the outcomes in order and hands them to the settler.
func (l *lane) publish(ctx context.Context, items []*item) error {
	for _, it := range items {
		if !it.settled {
			if err := l.send(ctx, it); err != nil {
				return err
			}
		}
		l.settle.add(it)
	}
	return nil
}

func (l *lane) send(ctx context.Context, it *item) error {
	if it.decision.verdict == outcome.Verified {
		if err := l.v.room.take(ctx, len(it.delivery.payload)); err != nil {
			return err
		}
	}
	var err error
	it.pending, err = l.v.send(it.delivery, &it.decision)
	return err
}

// outlivedWindow says whether copies of a message received then may have left the
// duplicate window, which counts from publication while freshness counts from receipt.
func (v *Verifier) outlivedWindow(received time.Time) bool {
	return time.Since(received) > v.window-v.rules.Load().lookback-windowMargin
}

// windowMargin covers the time between a look at the clock and the server's.
const windowMargin = 2 * time.Second
