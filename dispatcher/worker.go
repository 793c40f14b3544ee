package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fetchBatch bounds one fetch, so that an answer stays well below what a client buffers.
	fetchBatch = 256
	// fetchWait is how long an idle fetch lasts, and so how long stopping takes at least.
	fetchWait = 500 * time.Millisecond
	// fetchPause follows a fetch that failed.
	fetchPause = time.Second
	// drainLimit is how long deliveries under way may take once a worker is to stop. What
	// is not acknowledged by then stays in the stream.
	drainLimit = 20 * time.Second
)

// worker takes one target's events from its consumer. Workers share nothing that one of
// them could hold: a target that hangs delays its own events.
type worker struct {
	*kit
	*route
	consumer jetstream.Consumer
	slots    chan struct{} // one token a delivery under way
	flights  *flights
	failing  atomic.Pointer[error]
}

// newWorker finds the target's consumer. Set-up makes consumers; nobody else can.
func (k *kit) newWorker(ctx context.Context, r *route) (*worker, error) {
	name := bus.TargetConsumer(r.name)
	consumer, err := k.core.Consumer(ctx, k.names.Stream(bus.Verified), name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("target %s has no consumer %s: run set-up", r.name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("find consumer %s: %w", name, err)
	}
	if err := r.fits(consumer.CachedInfo()); err != nil {
		return nil, err
	}
	return &worker{kit: k, route: r, consumer: consumer, slots: make(chan struct{}, r.concurrency), flights: newFlights()}, nil
}

// run takes events until ctx is done and then finishes what is under way, within drainLimit.
func (w *worker) run(ctx context.Context) {
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	go w.flights.keep(work)
	for ctx.Err() == nil {
		w.note(w.fetch(ctx, work))
	}
	limit := time.AfterFunc(drainLimit, abandon)
	defer limit.Stop()
	w.flights.all.Wait()
}

// fetch asks for as many events as may be begun at once, so that none waits in memory
// while its time runs.
func (w *worker) fetch(ctx, work context.Context) error {
	free := w.reserve(ctx)
	defer func() { w.release(free) }()
	if free == 0 {
		return nil
	}
	batch, err := w.consumer.Fetch(free, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return w.pause(ctx, err)
	}
	for m := range batch.Messages() {
		free--
		w.begin(ctx, work, m)
	}
	if err := batch.Error(); err != nil {
		return w.pause(ctx, err)
	}
	return nil
}

// reserve waits for one slot and takes what else is free; 0 when ctx is done.
func (w *worker) reserve(ctx context.Context) int {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		if n == fetchBatch {
			return n
		}
		select {
		case w.slots <- struct{}{}:
		default:
			return n
		}
	}
}

func (w *worker) release(n int) {
	for range n {
		<-w.slots
	}
}

func (w *worker) pause(ctx context.Context, err error) error {
	sleep(ctx, fetchPause)
	return fmt.Errorf("fetch from %s: %w", bus.TargetConsumer(w.name), err)
}

// note keeps the state that Ready reports, and logs when it changes.
func (w *worker) note(err error) {
	before := w.failing.Load()
	if err == nil {
		if before != nil {
			w.failing.Store(nil)
			w.log.Info().Str("target", w.name).Msg("fetching recovered")
		}
		return
	}
	w.failing.Store(&err)
	if before == nil {
		w.log.Warn().Str("target", w.name).Str("cause", err.Error()).Msg("fetching failed")
	}
}

// sleep waits, and says whether it came to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
