package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
)

// live hands what passes on the bus to whoever watches. It is best effort, as core NATS
// is: what must be complete is read from the streams. It listens only while somebody asks and
// a little longer: every event would otherwise be sent and read once more for nobody.
type live struct {
	names bus.Names
	nc    *nats.Conn
	// each sees every observation, before the watchers.
	each func(observation)

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	subs     []*nats.Subscription // nil while nobody asks
	asked    time.Time
}

// linger is how long live goes on listening after somebody asked.
const linger = time.Minute

// watcher is one client's bounded buffer. A client that lets it fill is cut: the channel
// is closed, and the client begins again where it stopped.
type watcher struct{ seen chan observation }

// buffered is how many observations a slow client may be behind.
const buffered = 256

func newLive(names bus.Names, nc *nats.Conn) *live {
	return &live{names: names, nc: nc, watchers: map[*watcher]struct{}{}}
}

// wake subscribes to the republished streams, unless that was done. What is published
// after it returns is seen.
func (l *live) wake() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = time.Now()
	if l.subs != nil {
		return nil
	}
	for _, subject := range []string{l.names.All("verified"), l.names.All("live")} {
		sub, err := l.nc.Subscribe(subject, l.receive)
		if err != nil {
			l.quit()
			return fmt.Errorf("watch %s: %w", subject, err)
		}
		l.subs = append(l.subs, sub)
	}
	if err := l.nc.FlushTimeout(publishTimeout); err != nil && !errors.Is(err, nats.ErrTimeout) {
		l.quit()
		return fmt.Errorf("watch the bus: %w", err)
	}
	return nil
}

// doze ends the subscriptions when nobody watches and nobody has asked for a while.
func (l *live) doze(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) == 0 && now.Sub(l.asked) > linger {
		l.quit()
	}
}

func (l *live) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quit()
}

func (l *live) quit() {
	for _, s := range l.subs {
		_ = s.Unsubscribe() // fails only when the connection is gone, and the subscription with it
	}
	l.subs = nil
}

// tend lets live doze, until ctx is done.
func (l *live) tend(ctx context.Context) {
	tick := time.NewTicker(linger / 6)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			l.doze(now)
		case <-ctx.Done():
			return
		}
	}
}

func (l *live) receive(m *nats.Msg) {
	kind := l.kindOf(m.Subject)
	s := &bus.Stored{Subject: m.Subject, Header: m.Header, Data: m.Data, Time: time.Now().UTC()}
	if at, err := time.Parse(time.RFC3339Nano, first(m.Header, "Nats-Time-Stamp")); err == nil {
		s.Time = at
	}
	s.Seq, _ = strconv.ParseUint(first(m.Header, "Nats-Sequence"), 10, 64)
	if stored := first(m.Header, "Nats-Subject"); stored != "" {
		s.Subject = stored
	}
	o := observe(kind, s)
	if o.id == "" {
		return
	}
	l.each(o)
	l.publish(o)
}

// kindOf is the token after the prefix, or after "live".
func (l *live) kindOf(subject string) string {
	rest := strings.TrimPrefix(subject, strings.TrimSuffix(l.names.All("live"), ">"))
	if rest == subject {
		rest = strings.TrimPrefix(subject, strings.TrimSuffix(l.names.All("verified"), "verified.>"))
	}
	kind, _, _ := strings.Cut(rest, ".")
	return kind
}

func (l *live) publish(o observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.watchers {
		select {
		case w.seen <- o:
		default:
			delete(l.watchers, w)
			close(w.seen)
		}
	}
}

func (l *live) join() *watcher {
	w := &watcher{make(chan observation, buffered)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[w] = struct{}{}
	return w
}

func (l *live) leave(w *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
}
