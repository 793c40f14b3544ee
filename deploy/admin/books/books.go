// Package books proves that nothing was lost: it compares the set of raw sequences with
// the set of outcomes that carry them.
//
// It promises that a request is called missing only if it had left the raw stream and no
// outcome of it is stored, that one which settles while the books are read is never
// reported, and that records which limits have evicted are counted and said, never
// silently balanced. Metrics are no part of it. Memory is three bits a sequence since the
// last balanced run, beside the list of gaps that the server itself sends.
package books

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/admin/audit"
	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// kind is the audit subject that checkpoints stand on.
const kind = "books"

// Settings of the books; Ops is a connection as bus.OpsUser.
type Settings struct {
	Ops   *nats.Conn
	Names bus.Names
	Audit *audit.Log
}

// Books balances on demand.
type Books struct {
	raw     jetstream.JetStream
	core    jetstream.JetStream
	names   bus.Names
	audit   *audit.Log
	sources [streams]source

	mu sync.Mutex // one run at a time: each reads whole streams
}

// New prepares the books; nothing is read yet.
func New(s Settings) (*Books, error) {
	raw, err := jetstream.NewWithAPIPrefix(s.Ops, bus.APIEdge)
	if err != nil {
		return nil, fmt.Errorf("prepare the books: %w", err)
	}
	core, err := jetstream.NewWithAPIPrefix(s.Ops, bus.APICore)
	if err != nil {
		return nil, fmt.Errorf("prepare the books: %w", err)
	}
	b := &Books{raw: raw, core: core, names: s.Names, audit: s.Audit}
	for i, stream := range [streams]bus.Stream{verified: bus.Verified, refused: bus.Refused, quarantine: bus.Quarantine} {
		name := s.Names.Stream(stream)
		b.sources[i] = source{name: name, reader: bus.NewReader(s.Ops, bus.APICore, name), read: readers[i]}
	}
	return b, nil
}

// Checkpoint is where a balanced run leaves off, so that the next one need not begin anew
// and the janitor knows what nobody needs for the books any more.
type Checkpoint struct {
	At time.Time `json:"at"`
	// Raw: every raw sequence up to here has exactly one outcome, or is in Counts.Unaccounted.
	Raw uint64 `json:"raw"`
	// Compared is the last raw sequence of the run, pending ones included.
	Compared uint64 `json:"compared"`
	// The marks: outcomes up to Seq all belong to those; the next run reads on behind it.
	Verified   Mark            `json:"verified"`
	Refused    Mark            `json:"refused"`
	Quarantine Mark            `json:"quarantine"`
	Counts     api.BooksCounts `json:"counts"`
	Replayed   api.BooksCounts `json:"replayed"`
}

// Mark is a place in an outcome stream.
type Mark struct {
	// Seq is the last sequence before the first outcome of a raw message above the checkpoint.
	Seq uint64 `json:"seq"`
	// Read is the last sequence that the run read. An outcome behind it for a raw message
	// below the checkpoint is a second one.
	Read uint64 `json:"read"`
}

func (c *Checkpoint) marks() [streams]*Mark {
	return [streams]*Mark{verified: &c.Verified, refused: &c.Refused, quarantine: &c.Quarantine}
}

// Last is the newest checkpoint, the zero Checkpoint when no run balanced yet.
func (b *Books) Last(ctx context.Context) (Checkpoint, error) {
	var c Checkpoint
	err := b.audit.Last(ctx, kind, &c)
	if errors.Is(err, audit.ErrNone) {
		return Checkpoint{}, nil
	}
	return c, err
}

// Balance compares everything since the last balanced run, or everything there is when
// full. A run that finds nothing missing but what eviction explains is written to the audit
// as the next one's beginning: otherwise one flood of forgeries would keep the janitor from
// ever trimming again. A full run is not: it can't see what was trimmed since.
func (b *Books) Balance(ctx context.Context, full bool) (api.Books, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.run(ctx, full)
	if err != nil {
		return api.Books{}, err
	}
	report, next := r.close()
	if full || report.State == api.Unbalanced || !next.ahead(r.begin) {
		return report, nil
	}
	return report, b.audit.Append(ctx, kind, bus.OpsUser, next)
}

// accepted is what the audit keeps of an operator's decision to go on.
type accepted struct {
	Note string    `json:"note"`
	Was  api.Books `json:"was"`
}

// Accept lets the books go on behind what they can't balance, after an operator has
// looked: who, why and what stand in the audit first. What is missing stays counted as
// unaccounted. It returns the report that was accepted.
func (b *Books) Accept(ctx context.Context, by, note string) (api.Books, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.run(ctx, false)
	if err != nil {
		return api.Books{}, err
	}
	report, next := r.close()
	if err := b.audit.Append(ctx, kind+"_accepted", by, accepted{note, report}); err != nil {
		return api.Books{}, err
	}
	return report, b.audit.Append(ctx, kind, by, next)
}

// ahead says whether c is worth keeping after last.
func (c Checkpoint) ahead(last Checkpoint) bool {
	return c.Raw > last.Raw || c.Verified.Seq > last.Verified.Seq || c.Refused.Seq > last.Refused.Seq || c.Quarantine.Seq > last.Quarantine.Seq
}

// run reads the raw stream's state first and the outcomes after it: what settles in
// between is pending here, and may have its outcome or not.
func (b *Books) run(ctx context.Context, full bool) (*run, error) {
	begin, err := b.Last(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := b.rawState(ctx)
	if err != nil {
		return nil, err
	}
	var ends [streams]uint64
	for i := range b.sources {
		if ends[i], err = b.sources[i].end(ctx, b.core); err != nil {
			return nil, err
		}
	}
	if full || begin.foreign(raw, ends) {
		begin = Checkpoint{}
	}
	r := newRun(begin, raw)
	for i := range b.sources {
		if err := b.sources[i].scan(ctx, r, place(i), ends[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// foreign says that the streams end before the checkpoint, so it speaks of others: those
// were deleted and made anew.
func (c *Checkpoint) foreign(raw RawState, ends [streams]uint64) bool {
	if raw.Last < c.Raw {
		return true
	}
	for i, m := range c.marks() {
		if ends[i] < m.Read {
			return true
		}
	}
	return false
}

func (b *Books) rawState(ctx context.Context) (RawState, error) {
	s, err := b.raw.Stream(ctx, b.names.Stream(bus.Raw))
	if err != nil {
		return RawState{}, fmt.Errorf("read the raw stream's state: %w", err)
	}
	info, err := s.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return RawState{}, fmt.Errorf("read the raw stream's state: %w", err)
	}
	out := RawState{First: info.State.FirstSeq, Last: info.State.LastSeq, Gone: info.State.Deleted}
	if info.State.Msgs == 0 {
		out.First = out.Last + 1
	}
	return out, nil
}
