package verifier

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// headroom keeps the verified stream from ever refusing for want of space: a refusal in
// the middle of pipelined publishes would let a later, smaller event pass an earlier one.
// Lanes take bytes from a budget before they publish and wait when it is used up, so that
// a full stream pushes back to the raw stream and from there to senders.
type headroom struct {
	stream jetstream.Stream
	log    zerolog.Logger

	mu     sync.Mutex
	budget int64
	full   bool
	more   chan struct{}
}

const (
	headroomInterval = 250 * time.Millisecond
	// headroomShare: several verifiers may spend from one stream at once.
	headroomShare = 4
	// unlimitedBudget stands for a stream without a byte limit.
	unlimitedBudget = 1 << 40
	// messageOverhead is what a stored event may need beyond its data.
	messageOverhead = 4 << 10
)

func newHeadroom(stream jetstream.Stream, log zerolog.Logger) *headroom {
	return &headroom{stream: stream, log: log, more: make(chan struct{})}
}

// take waits until n bytes and the message's overhead are free, or ctx is done.
func (h *headroom) take(ctx context.Context, n int) error {
	need := int64(n) + messageOverhead
	for {
		h.mu.Lock()
		if h.budget >= need {
			h.budget -= need
			h.mu.Unlock()
			return nil
		}
		wait := h.more
		h.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run measures the free space until ctx is done.
func (h *headroom) run(ctx context.Context) {
	tick := time.NewTicker(headroomInterval)
	defer tick.Stop()
	for {
		if info, err := h.stream.Info(ctx); err == nil {
			h.set(info)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *headroom) set(info *jetstream.StreamInfo) {
	budget := int64(unlimitedBudget)
	if info.Config.MaxBytes > 0 {
		budget = (info.Config.MaxBytes - int64(info.State.Bytes)) / headroomShare
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.budget = budget
	if full := budget < messageOverhead; full != h.full {
		h.full = full
		h.log.Warn().Bool("full", full).Str("stream", info.Config.Name).Msg("verified stream changed between full and free")
	}
	close(h.more)
	h.more = make(chan struct{})
}
