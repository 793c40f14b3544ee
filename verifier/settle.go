package verifier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
)

// settler waits, in order, for the outcomes of one lane to be stored and only then
// acknowledges the raw messages.
type settler struct {
	v     *Verifier
	queue chan *item
	under sync.WaitGroup

	mu  sync.Mutex
	err error
}

// settleQueue bounds the outcomes of one lane that are under way.
const settleQueue = 1024

// settlePatience bounds the wait for one outcome's acknowledgement.
const settlePatience = 10 * time.Second

func newSettler(v *Verifier) *settler { return &settler{v: v, queue: make(chan *item, settleQueue)} }

func (s *settler) add(it *item) {
	s.under.Add(1)
	s.queue <- it
}

// drain waits until nothing is under way.
func (s *settler) drain() { s.under.Wait() }

func (s *settler) stop() { close(s.queue) }

// failed returns, once, why the lane must start over.
func (s *settler) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}

func (s *settler) run() {
	for it := range s.queue {
		if err := s.settle(it); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
		s.under.Done()
	}
}

// settle ends one item. An item that fails stays unacknowledged and comes again.
func (s *settler) settle(it *item) error {
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	if !it.settled {
		if err := s.v.stored(ctx, it.pending, it.delivery, &it.decision); err != nil {
			return err
		}
		s.v.metrics.observe(it)
	}
	if err := it.msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge raw message %d: %w", it.delivery.raw, err)
	}
	return nil
}

// send publishes the outcome of a delivery, without waiting.
func (v *Verifier) send(d *delivery, out *decision) (*bus.Pending, error) {
	if out.verdict == outcome.Verified {
		return v.publisher.Send(v.records.verified(out))
	}
	m, err := v.records.outcome(d, out)
	if err != nil {
		return nil, err
	}
	return v.publisher.Send(m)
}

// stored waits for an outcome. Where the stream knows the nonce already, the copy that it
// stored tells what this one is: this very delivery, published before a crash, or a
// duplicate or conflict, which is then recorded.
func (v *Verifier) stored(ctx context.Context, pending *bus.Pending, d *delivery, out *decision) error {
	ack, err := pending.Wait(ctx)
	if err != nil {
		return fmt.Errorf("store the outcome of raw message %d: %w", d.raw, err)
	}
	if out.verdict != outcome.Verified || !ack.Duplicate {
		out.seq = ack.Seq
		return nil
	}
	o, err := v.original(ctx, ack.Seq)
	if err != nil {
		return err
	}
	if o.raw == d.raw {
		out.seq = o.seq
		return nil
	}
	out.repeats(o)
	if pending, err = v.send(d, out); err != nil {
		return err
	}
	return v.stored(ctx, pending, d, out)
}

// original reads the stored first copy; one that was trimmed is a duplicate of unknown body.
func (v *Verifier) original(ctx context.Context, seq uint64) (origin, error) {
	s, err := v.readers.verified.Get(ctx, seq)
	if errors.Is(err, bus.ErrNotFound) {
		return origin{seq: seq}, nil
	}
	if err != nil {
		return origin{}, err
	}
	return eventOrigin(s), nil
}
