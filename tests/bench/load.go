package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// result of one measurement.
type result struct {
	rate     float64 // per second
	p50, p99 time.Duration
	cpu      time.Duration // of the measured process, per event
}

// request is one prepared HTTP request.
type request struct {
	id    string
	bytes []byte
}

// seenAt notes when an event reached the subscriber.
type seenAt struct {
	mu   sync.Mutex
	due  map[string]time.Time
	hist *hdrhistogram.Histogram
	n    atomic.Int64
}

func newSeenAt() *seenAt {
	return &seenAt{due: map[string]time.Time{}, hist: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
}

func (s *seenAt) sent(id string, at time.Time) {
	s.mu.Lock()
	s.due[id] = at
	s.mu.Unlock()
}

func (s *seenAt) seen(id string) {
	now := time.Now()
	s.mu.Lock()
	if at, ok := s.due[id]; ok {
		_ = s.hist.RecordValue(now.Sub(at).Microseconds())
		delete(s.due, id)
		s.n.Add(1)
	}
	s.mu.Unlock()
}

// load posts prepared requests over a few connections: as fast as answers come when rate
// is 0, else at a fixed rate with latency from when a request was due.
type load struct {
	addr   string
	conns  int
	rate   float64
	length time.Duration
	next   func() *request
	seen   *seenAt // nil when only the answer counts
}

// tally is what one load saw.
type tally struct {
	mu   sync.Mutex
	hist *hdrhistogram.Histogram
	n    atomic.Int64
}

func (l load) run(ctx context.Context) (*tally, time.Duration, error) {
	t := &tally{hist: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
	ctx, cancel := context.WithTimeout(ctx, l.length)
	defer cancel()
	start := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, l.conns)
	for i := range l.conns {
		wg.Go(func() { errs <- l.connection(ctx, t, start, i) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return t, time.Since(start), err
		}
	}
	return t, time.Since(start), nil
}

// connection sends one request at a time over one connection.
func (l load) connection(ctx context.Context, t *tally, start time.Time, n int) error {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	local := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	defer func() {
		t.mu.Lock()
		t.hist.Merge(local)
		t.mu.Unlock()
	}()
	interval := time.Duration(0)
	if l.rate > 0 {
		interval = time.Duration(float64(time.Second) * float64(l.conns) / l.rate)
	}
	due := start.Add(interval * time.Duration(n) / time.Duration(l.conns))
	for ctx.Err() == nil {
		if interval > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		r := l.next()
		if r == nil {
			return nil
		}
		if l.seen != nil {
			l.seen.sent(r.id, due)
		}
		if err := exchange(conn, in, r.bytes); err != nil {
			return err
		}
		_ = local.RecordValue(time.Since(due).Microseconds())
		t.n.Add(1)
		due = due.Add(interval)
	}
	return nil
}

var contentLength = []byte("Content-Length: ")

// exchange writes a request and reads an answer with a declared length.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	accepted := bytes.HasPrefix(status, []byte("HTTP/1.1 202"))
	first := string(status)
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, contentLength); ok {
			for _, c := range bytes.TrimSpace(v) {
				length = length*10 + int(c-'0')
			}
		}
	}
	if _, err := in.Discard(length); err != nil {
		return err
	}
	if !accepted {
		return fmt.Errorf("answered %q", first)
	}
	return nil
}
