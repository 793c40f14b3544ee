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

// settler waits, in order, for the outcomes of one lane to be stored, and only then
// acknowledges the raw messages and removes them.
//
// One acknowledgement stands for all before it, and one purge removes many messages: with
// every write synced, removing them one by one costs as much as storing them. After a
// failure nothing more is acknowledged, whatever was stored behind it, until the lane
// starts over.
type settler struct {
	l     *lane
	queue chan *item
	under sync.WaitGroup

	behind int // settled and not acknowledged

	mu     sync.Mutex
	err    error
	floor  uint64 // raw sequence up to which the lane is acknowledged
	purged uint64 // up to which it is removed
}

const (
	// settleQueue bounds the outcomes of one lane that are under way.
	settleQueue = 1024
	// settlePatience bounds the wait for one outcome's acknowledgement.
	settlePatience = 10 * time.Second
	// ackEvery bounds how many messages one acknowledgement stands for.
	ackEvery = 64
	// sweepEvery is how often settled messages are removed.
	sweepEvery = 250 * time.Millisecond
)

func newSettler(l *lane) *settler { return &settler{l: l, queue: make(chan *item, settleQueue)} }

func (s *settler) add(it *item) {
	s.under.Add(1)
	s.queue <- it
}

// drain waits until nothing is under way.
func (s *settler) drain() { s.under.Wait() }

func (s *settler) stop() { close(s.queue) }

// failed says why the lane must start over.
func (s *settler) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// mend forgets a failure; nothing may be under way.
func (s *settler) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.behind = nil, 0
}

func (s *settler) run() {
	for it := range s.queue {
		err := s.settle(it)
		if err == nil {
			err = s.acknowledge(it)
		}
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
		s.under.Done()
	}
}

// settle waits for the outcome of one item.
func (s *settler) settle(it *item) error {
	if it.settled {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	if err := s.l.v.stored(ctx, it.pending, it.delivery, &it.decision); err != nil {
		return err
	}
	s.l.v.metrics.observe(it)
	return nil
}

// acknowledge acknowledges now and then all that is settled, unless something before it
// has failed: that, and what came after, comes again.
func (s *settler) acknowledge(it *item) error {
	if s.failed() != nil {
		return nil
	}
	s.behind++
	if len(s.queue) > 0 && s.behind < ackEvery {
		return nil
	}
	if err := it.msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge raw message %d: %w", it.delivery.raw, err)
	}
	s.behind = 0
	s.mu.Lock()
	s.floor = it.delivery.raw
	s.mu.Unlock()
	return nil
}

// sweep removes what is acknowledged, now and then until ctx is done, and once more then.
func (s *settler) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.purge()
		case <-ctx.Done():
			s.purge()
			return
		}
	}
}

// purge removes the lane's messages up to the floor. If it fails, the next one removes
// more; if the process dies before it, whoever takes the lane over finds them.
func (s *settler) purge() {
	s.mu.Lock()
	floor, done := s.floor, s.purged
	s.mu.Unlock()
	if floor == done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	v := s.l.v
	if err := bus.Purge(ctx, v.edgeConn, v.names.Stream(bus.Raw), v.names.RawLane(s.l.number), floor+1); err != nil {
		s.l.log.Warn().Int("lane", s.l.number).Str("cause", err.Error()).Msg("settled messages were not removed yet")
		return
	}
	s.mu.Lock()
	s.purged = floor
	s.mu.Unlock()
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
