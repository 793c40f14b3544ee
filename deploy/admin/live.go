package admin

import (
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
// is: what must be complete is read from the streams.
type live struct {
	names bus.Names
	// each sees every observation, before the watchers.
	each func(observation)

	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

// watcher is one client's bounded buffer. A client that lets it fill is cut: the channel
// is closed, and the client begins again where it stopped.
type watcher struct{ seen chan observation }

// buffered is how many observations a slow client may be behind.
const buffered = 256

func newLive(names bus.Names) *live {
	return &live{names: names, watchers: map[*watcher]struct{}{}}
}

// watch subscribes to the republished streams; stop ends that.
func (l *live) watch(nc *nats.Conn) (stop func(), err error) {
	var subs []*nats.Subscription
	stop = func() {
		for _, s := range subs {
			_ = s.Unsubscribe() // fails only when the connection is gone, and the subscription with it
		}
	}
	for _, subject := range []string{l.names.All("verified"), l.names.All("live")} {
		sub, err := nc.Subscribe(subject, l.receive)
		if err != nil {
			stop()
			return nil, fmt.Errorf("watch %s: %w", subject, err)
		}
		subs = append(subs, sub)
	}
	if err := nc.FlushTimeout(publishTimeout); err != nil && !errors.Is(err, nats.ErrTimeout) {
		stop()
		return nil, fmt.Errorf("watch the bus: %w", err)
	}
	return stop, nil
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
