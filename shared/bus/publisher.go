package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// What a publish can end in besides an acknowledgement.
var (
	// ErrUnavailable: no stream answered, or the connection is down. Nothing is known to be stored.
	ErrUnavailable = errors.New("bus unavailable")
	// ErrUnconfirmed: sent, but the acknowledgement did not come in time or the connection was
	// lost before it. It may have been stored. It is an ErrUnavailable, too.
	ErrUnconfirmed = fmt.Errorf("%w: not confirmed", ErrUnavailable)
	// ErrFull: the stream, or the subject's share of it, is full. Nothing was stored.
	ErrFull = errors.New("stream full")
	// ErrWrongLastSequence: the expected last sequence did not hold. Nothing was stored.
	ErrWrongLastSequence = errors.New("wrong last sequence")
	// ErrInFlight: another copy with this message id is being stored; try again.
	ErrInFlight = errors.New("message id in flight")
)

// Ack is JetStream's acknowledgement of one publish.
type Ack struct {
	Seq       uint64
	Duplicate bool
}

// Publisher pipelines publishes of many goroutines over one connection: one inbox for
// all acknowledgements, no waiting between publishes. Publishes of one goroutine reach
// the server in their order.
type Publisher struct {
	nc      *nats.Conn
	sub     *nats.Subscription
	status  chan nats.Status
	inbox   string
	timeout time.Duration

	mu      sync.Mutex
	waiting map[uint64]*Pending
	next    uint64
	closed  atomic.Bool
}

// Pending is one publish under way.
type Pending struct {
	p     *Publisher
	token uint64
	done  chan result
}

type result struct {
	ack Ack
	err error
}

// NewPublisher opens the acknowledgement inbox under the connection's own inbox prefix.
// Each publish is given up after timeout.
func NewPublisher(nc *nats.Conn, identity string, timeout time.Duration) (*Publisher, error) {
	p := &Publisher{nc: nc, inbox: InboxPrefix(identity) + "." + nuid.Next() + ".", timeout: timeout, waiting: map[uint64]*Pending{}}
	sub, err := nc.Subscribe(p.inbox+"*", p.receive)
	if err != nil {
		return nil, fmt.Errorf("open the acknowledgement inbox: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("open the acknowledgement inbox: %w", err)
	}
	p.sub, p.status = sub, nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	go p.follow()
	return p, nil
}

// follow ends what is under way when the connection is lost: its acknowledgements were for
// an inbox that the server no longer knows.
func (p *Publisher) follow() {
	for range p.status {
		p.abandon()
	}
}

// Close stops receiving; whatever is under way ends in ErrUnconfirmed.
func (p *Publisher) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	err := p.sub.Unsubscribe()
	p.nc.RemoveStatusListener(p.status)
	p.abandon()
	return err
}

func (p *Publisher) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token, w := range p.waiting {
		delete(p.waiting, token)
		w.done <- result{err: fmt.Errorf("%w: connection lost", ErrUnconfirmed)}
	}
}

// Publish sends m and waits for the acknowledgement.
func (p *Publisher) Publish(ctx context.Context, m *nats.Msg) (Ack, error) {
	w, err := p.Send(m)
	if err != nil {
		return Ack{}, err
	}
	return w.Wait(ctx)
}

// Send publishes m and returns at once. The reply subject of m is set here.
func (p *Publisher) Send(m *nats.Msg) (*Pending, error) {
	if p.closed.Load() {
		return nil, ErrUnavailable
	}
	w := &Pending{p: p, done: make(chan result, 1)}
	p.mu.Lock()
	p.next++
	w.token = p.next
	p.waiting[w.token] = w
	p.mu.Unlock()
	m.Reply = p.inbox + strconv.FormatUint(w.token, 36)
	if err := p.nc.PublishMsg(m); err != nil {
		p.forget(w.token)
		if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) {
			return nil, fmt.Errorf("publish to %s: %w", m.Subject, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return w, nil
}

// Wait returns the acknowledgement, or why there is none. It gives up when ctx is done or
// after the publisher's timeout.
func (w *Pending) Wait(ctx context.Context) (Ack, error) {
	select { // most acknowledgements are there before a timer would be
	case r := <-w.done:
		return r.ack, r.err
	default:
	}
	timer := time.NewTimer(w.p.timeout)
	defer timer.Stop()
	select {
	case r := <-w.done:
		return r.ack, r.err
	case <-ctx.Done():
		w.p.forget(w.token)
		return Ack{}, fmt.Errorf("%w: %w", ErrUnconfirmed, ctx.Err())
	case <-timer.C:
		w.p.forget(w.token)
		return Ack{}, fmt.Errorf("%w: no acknowledgement in %s", ErrUnconfirmed, w.p.timeout)
	}
}

func (p *Publisher) forget(token uint64) *Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waiting[token]
	delete(p.waiting, token)
	return w
}

func (p *Publisher) receive(m *nats.Msg) {
	token, err := strconv.ParseUint(m.Subject[len(p.inbox):], 36, 64)
	if err != nil {
		return
	}
	if w := p.forget(token); w != nil {
		ack, err := ParseAck(m)
		w.done <- result{ack, err}
	}
}

// Error codes of JetStream that have a meaning here.
const (
	codeFull      = 10077 // maximum bytes, messages or messages per subject exceeded
	codeWrongLast = 10071
	codeInFlight  = 10158
	codeWrongSeq  = 10164
)

// ParseAck reads a publish acknowledgement.
func ParseAck(m *nats.Msg) (Ack, error) {
	if len(m.Data) == 0 {
		return Ack{}, fmt.Errorf("%w: no stream listens (status %s)", ErrUnavailable, m.Header.Get("Status"))
	}
	if ack, ok := quickAck(m.Data); ok {
		return ack, nil
	}
	var full struct {
		Seq       uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
		Error     *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &full); err != nil {
		return Ack{}, fmt.Errorf("%w: unreadable acknowledgement: %w", ErrUnavailable, err)
	}
	if full.Error == nil {
		return Ack{full.Seq, full.Duplicate}, nil
	}
	return Ack{}, fmt.Errorf("%w: %s (%d)", ackError(full.Error.Code), full.Error.Description, full.Error.Code)
}

func ackError(code int) error {
	switch code {
	case codeFull:
		return ErrFull
	case codeWrongLast:
		return ErrWrongLastSequence
	case codeInFlight, codeWrongSeq:
		return ErrInFlight
	}
	return ErrUnavailable
}

var seqKey = []byte(`,"seq":`)

// quickAck reads the one form that nearly every acknowledgement has: {"stream":"X","seq":N}.
// Anything else goes to the JSON decoder.
func quickAck(data []byte) (Ack, bool) {
	i := bytes.Index(data, seqKey)
	if i < 0 || data[len(data)-1] != '}' {
		return Ack{}, false
	}
	seq, err := strconv.ParseUint(string(data[i+len(seqKey):len(data)-1]), 10, 64)
	return Ack{Seq: seq}, err == nil && seq > 0
}
