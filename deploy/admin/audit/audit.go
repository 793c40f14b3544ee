// Package audit writes down what operators do, before it happens.
//
// It promises that an entry is stored when Append returns nil, that entries of one kind
// form a chain (each holds the SHA-256 of the one before, and the stream can neither
// delete nor purge), and that a full or unreachable audit is an error, so that its
// caller refuses the operator and never the data.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
)

// Publisher stores messages; *bus.Publisher is one.
type Publisher interface {
	Publish(ctx context.Context, m *nats.Msg) (bus.Ack, error)
}

// Log is the audit as one operator connection sees it.
type Log struct {
	names  bus.Names
	out    Publisher
	reader *bus.Reader

	mu sync.Mutex // one writer at a time in this process; other processes are fenced by sequence
}

// New makes a log that writes through out and reads through the imports of nc.
func New(nc *nats.Conn, out Publisher, names bus.Names) *Log {
	return &Log{names: names, out: out, reader: bus.NewReader(nc, bus.APIAudit, names.Stream(bus.AuditLog))}
}

// Entry is one link of a kind's chain.
type Entry struct {
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"`
	// Previous is the SHA-256 of the entry before, hex; "" for the first.
	Previous string          `json:"previous,omitempty"`
	Act      json.RawMessage `json:"act"`
}

// ErrNone: nothing of that kind was ever written.
var ErrNone = errors.New("no audit entry")

// races is how often a lost race for the next link is run again.
const races = 5

// Append stores act as the next entry of kind, by whom.
func (l *Log) Append(ctx context.Context, kind, by string, act any) error {
	body, err := json.Marshal(act)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for range races {
		err = l.link(ctx, kind, Entry{At: time.Now().UTC(), By: by, Act: body})
		if !errors.Is(err, bus.ErrWrongLastSequence) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}

// link publishes e behind the newest entry as it stands, and nowhere else.
func (l *Log) link(ctx context.Context, kind string, e Entry) error {
	subject := l.names.AuditEntry(kind)
	last, err := l.reader.Last(ctx, subject)
	var seq uint64
	switch {
	case err == nil:
		seq, e.Previous = last.Seq, digest(last.Data)
	case !errors.Is(err, bus.ErrNotFound):
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{bus.ExpectedLastSubjSeq: {strconv.FormatUint(seq, 10)}}}
	_, err = l.out.Publish(ctx, m)
	return err
}

// Last reads the act of the newest entry of kind into act, or returns ErrNone.
func (l *Log) Last(ctx context.Context, kind string, act any) error {
	last, err := l.reader.Last(ctx, l.names.AuditEntry(kind))
	if errors.Is(err, bus.ErrNotFound) {
		return ErrNone
	}
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	var e Entry
	if err := json.Unmarshal(last.Data, &e); err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	if err := json.Unmarshal(e.Act, act); err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	return nil
}

// Verify walks the chain of kind and returns its length, or names the sequence at which
// it breaks.
func (l *Log) Verify(ctx context.Context, kind string) (int, error) {
	previous, n := "", 0
	err := l.reader.Scan(ctx, bus.From{Subject: l.names.AuditEntry(kind)}, func(s *bus.Stored) error {
		var e Entry
		if err := json.Unmarshal(s.Data, &e); err != nil {
			return fmt.Errorf("audit entry %d: %w", s.Seq, err)
		}
		if e.Previous != previous {
			return fmt.Errorf("audit entry %d does not continue the one before", s.Seq)
		}
		previous = digest(s.Data)
		n++
		return nil
	})
	return n, err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
