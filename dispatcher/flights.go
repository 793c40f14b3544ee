package dispatcher

import (
	"context"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go/jetstream"
)

// beat is how often the bus is told that a message is still being worked on. Three beats
// may be lost before it would be delivered a second time.
const beat = bus.TargetAckWait / 4

// flights are the messages a worker has in hand. While they are, the bus does not give
// them to anybody else, however long a target takes.
type flights struct {
	mu    sync.Mutex
	since map[jetstream.Msg]time.Time
	all   sync.WaitGroup
}

func newFlights() *flights { return &flights{since: map[jetstream.Msg]time.Time{}} }

func (f *flights) add(m jetstream.Msg) {
	f.all.Add(1)
	f.mu.Lock()
	f.since[m] = time.Now()
	f.mu.Unlock()
}

func (f *flights) remove(m jetstream.Msg) {
	f.mu.Lock()
	delete(f.since, m)
	f.mu.Unlock()
	f.all.Done()
}

// keep beats for every message that has been in hand for a beat or longer, until ctx is done.
func (f *flights) keep(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, m := range f.olderThan(now.Add(-beat / 2)) {
				_ = m.InProgress() // a lost connection is noticed by the fetch loop
			}
		}
	}
}

func (f *flights) olderThan(t time.Time) []jetstream.Msg {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []jetstream.Msg
	for m, since := range f.since {
		if since.Before(t) {
			out = append(out, m)
		}
	}
	return out
}
