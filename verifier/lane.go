package verifier

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// lane works one of the raw stream's consumers. One verifier at a time is pinned to it,
// so that the order of each source is kept: deliveries are judged in parallel, published
// in order, and acknowledged only after their outcome is stored.
type lane struct {
	number   int
	v        *Verifier
	consumer jetstream.Consumer
	log      zerolog.Logger

	pin    string
	oldest uint64 // raw sequence that the first delivery after a reset must have
	last   uint64 // the consumer's own number of the last delivery, 0 after a reset
	swept  uint64 // the connection's life in which the idle lane was last looked through
	memory *memory
	settle *settler
}

const (
	// fetchBatch is how many raw messages one pull asks for.
	fetchBatch = 256
	// fetchWait keeps the pin: it lasts bus.PinnedTTL from the last pull.
	fetchWait = bus.PinnedTTL / 3
	// retryPause is how long a lane rests after it failed.
	retryPause = 200 * time.Millisecond
)

// run works the lane until ctx is done, then lets what is under way settle and leaves
// the pin to whoever waits for it.
func (l *lane) run(ctx context.Context) {
	go l.settle.run()
	defer l.settle.stop()
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var sweeper sync.WaitGroup
	sweeper.Go(func() { l.settle.sweep(sweeping) })
	for ctx.Err() == nil {
		if err := l.turn(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn().Int("lane", l.number).Str("cause", err.Error()).Msg("lane starts over from its oldest message")
			l.startOver(ctx)
		}
	}
	l.settle.drain()
	stop()
	sweeper.Wait()
	l.leave()
}

// turn is one pull and the work on what it brings.
func (l *lane) turn(ctx context.Context) error {
	if err := l.settle.failed(); err != nil {
		return err
	}
	if l.pin == "" {
		return l.takeOver(ctx)
	}
	batch, err := l.fetch(fetchBatch)
	if err != nil {
		return err
	}
	for {
		chunk, pinned := l.gather(batch)
		if len(chunk) == 0 {
			break
		}
		if !pinned {
			exhaust(batch)
			l.pin = ""
			return nil
		}
		if err := l.work(ctx, chunk); err != nil {
			exhaust(batch)
			return err
		}
	}
	return l.ended(batch.Error())
}

// ended says what the end of a batch means: a lost pin is taken over anew.
func (l *lane) ended(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrPinIDMismatch):
		l.pin = ""
		return nil
	case err != nil:
		return fmt.Errorf("pull from lane %d: %w", l.number, err)
	}
	return nil
}

func (l *lane) fetch(n int) (jetstream.MessageBatch, error) {
	batch, err := l.consumer.Fetch(n, jetstream.FetchMaxWait(fetchWait), jetstream.FetchPriorityGroup(bus.PinGroup))
	if err != nil {
		return nil, fmt.Errorf("pull from lane %d: %w", l.number, err)
	}
	return batch, nil
}

// gather waits for one message and takes along what is there already. pinned is false
// when a message came under another pin than the lane's.
func (l *lane) gather(batch jetstream.MessageBatch) (chunk []jetstream.Msg, pinned bool) {
	m, open := <-batch.Messages()
	for open {
		if m.Headers().Get("Nats-Pin-Id") != l.pin {
			return append(chunk, m), false
		}
		if chunk = append(chunk, m); len(chunk) == fetchBatch {
			break
		}
		select {
		case m, open = <-batch.Messages():
		default:
			open = false
		}
	}
	return chunk, true
}

// exhaust drops the rest of a batch: a reset under an open pull feeds the redeliveries
// into that same batch, and they would be lost with it.
func exhaust(batch jetstream.MessageBatch) {
	for range batch.Messages() { //nolint:revive // dropped on purpose
	}
}

// item is one raw message on its way through the guard.
type item struct {
	msg      jetstream.Msg
	delivery *delivery
	decision decision
	started  time.Time
	pending  *bus.Pending // the outcome's publish
	settled  bool         // an outcome was recorded before: only acknowledge
}

// work judges a chunk in parallel, then claims and publishes it in order.
func (l *lane) work(ctx context.Context, chunk []jetstream.Msg) error {
	if err := l.settle.failed(); err != nil {
		return err
	}
	items := make([]*item, len(chunk))
	for i, m := range chunk {
		it, err := l.read(m)
		if err != nil {
			return err
		}
		items[i] = it
	}
	l.judge(items)
	if err := l.remember(ctx, items); err != nil {
		return err
	}
	if last := items[len(items)-1].delivery; l.memory != nil && last.received.After(l.memory.taken) && !l.v.outlivedWindow(last.received) {
		l.memory = nil // everything that came before the take-over is through
	}
	return l.publish(ctx, items)
}

func (l *lane) read(m jetstream.Msg) (*item, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read a raw message: %w", err)
	}
	if err := l.follows(meta.Sequence); err != nil {
		return nil, err
	}
	d := readDelivery(l.v.names.SourceOfRaw(m.Subject()), meta.Sequence.Stream, meta.Timestamp, m.Headers(), m.Data())
	return &item{msg: m, delivery: d, started: time.Now(), settled: l.memory != nil && l.memory.settled[d.raw]}, nil
}

// errGap: the server delivered something that did not arrive, as when the connection broke
// or the process stood still while its pull expired.
var errGap = errors.New("a delivery was lost on the way")

// follows says whether a delivery is the next one. One acknowledgement stands for all
// before it, so a lost delivery would be acknowledged along with its successor.
func (l *lane) follows(n jetstream.SequencePair) error {
	if l.last == 0 && n.Stream != l.oldest || l.last != 0 && n.Consumer != l.last+1 {
		return errGap
	}
	l.last = n.Consumer
	return nil
}

// judge spreads a chunk over the processors; a handful is not worth the hand-over.
func (l *lane) judge(items []*item) {
	rules := l.v.rules.Load()
	workers := min(runtime.GOMAXPROCS(0), len(items)/8+1)
	var wg sync.WaitGroup
	for w := range workers {
		part := items[w*len(items)/workers : (w+1)*len(items)/workers]
		work := func() {
			for _, it := range part {
				if !it.settled {
					it.decision = rules.judge(it.delivery, l.v.nonces)
				}
			}
		}
		if w == workers-1 {
			work()
			break
		}
		wg.Go(work)
	}
	wg.Wait()
}
