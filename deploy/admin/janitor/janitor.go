// Package janitor trims the verified stream, which has no age limit of its own.
//
// It promises to remove only what nobody needs any more: older than streams.verified.keep,
// below every consumer's ack floor, older than the nonce memory counted from the oldest
// request that still waits, and vouched for by the books. Ids of purged messages are
// accepted again after a restart (seen on nats-server 2.15.2), and a consumer that is
// behind loses what is purged without a word: hence all four.
package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Settings of a janitor.
type Settings struct {
	// Conn is a connection as bus.JanitorUser.
	Conn  *nats.Conn
	Names bus.Names
	// Verified reads the verified stream, for finding where a time lies in it.
	Verified *bus.Reader
	// OldestRaw is when the oldest request that waits for the verifier was received; the
	// zero time when none waits.
	OldestRaw func(ctx context.Context) (time.Time, error)
	// Vouched is the last verified sequence that the books need no more.
	Vouched func(ctx context.Context) (uint64, error)
}

// Janitor trims on demand.
type Janitor struct {
	settings Settings
	js       jetstream.JetStream
}

// New prepares a janitor.
func New(s Settings) (*Janitor, error) {
	js, err := jetstream.NewWithAPIPrefix(s.Conn, bus.APICore)
	if err != nil {
		return nil, fmt.Errorf("prepare the janitor: %w", err)
	}
	return &Janitor{s, js}, nil
}

// Trimmed is what one round did.
type Trimmed struct {
	// Below is the first sequence that was kept.
	Below uint64
	// Removed is how many messages went.
	Removed uint64
	// HeldBy says what kept the round from going further: "keep", "books", or a consumer's name.
	HeldBy string
}

// bound is one reason to keep messages from a sequence on.
type bound struct {
	by   string
	from uint64
}

// Trim removes what is older than keep and needed by nobody. A keep of zero removes
// nothing: bytes alone bound the stream then.
func (j *Janitor) Trim(ctx context.Context, keep time.Duration) (Trimmed, error) {
	if keep <= 0 {
		return Trimmed{}, nil
	}
	stream, err := j.js.Stream(ctx, j.settings.Names.Stream(bus.Verified))
	if err != nil {
		return Trimmed{}, fmt.Errorf("look at the verified stream: %w", err)
	}
	info := stream.CachedInfo()
	lowest := bound{"", info.State.LastSeq + 1}
	bounds, err := j.bounds(ctx, stream, info, keep)
	if err != nil {
		return Trimmed{}, err
	}
	for _, b := range bounds {
		if b.from < lowest.from {
			lowest = b
		}
	}
	if info.State.Msgs == 0 || lowest.from <= info.State.FirstSeq {
		return Trimmed{Below: info.State.FirstSeq, HeldBy: lowest.by}, nil
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(lowest.from)); err != nil {
		return Trimmed{}, fmt.Errorf("trim the verified stream below %d: %w", lowest.from, err)
	}
	return Trimmed{Below: lowest.from, Removed: lowest.from - info.State.FirstSeq, HeldBy: lowest.by}, nil
}

// bounds come in the order in which they are named when they are equal.
func (j *Janitor) bounds(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, keep time.Duration) ([]bound, error) {
	vouched, err := j.settings.Vouched(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the books: %w", err)
	}
	aged, err := j.aged(ctx, info, keep)
	if err != nil {
		return nil, err
	}
	floors, err := floors(ctx, stream, info.State.LastSeq)
	if err != nil {
		return nil, err
	}
	return append([]bound{{"keep", aged}, {"books", vouched + 1}}, floors...), nil
}

// aged is the first sequence that is still young: within keep, or within the duplicate
// window before the oldest request that waits, whose copies may stand there.
func (j *Janitor) aged(ctx context.Context, info *jetstream.StreamInfo, keep time.Duration) (uint64, error) {
	now := info.TimeStamp
	oldest, err := j.settings.OldestRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for the oldest waiting request: %w", err)
	}
	if oldest.IsZero() || oldest.After(now) {
		oldest = now
	}
	cut := now.Add(-keep)
	if memory := oldest.Add(-info.Config.Duplicates); memory.Before(cut) {
		cut = memory
	}
	return j.firstAt(ctx, cut, info.State.LastSeq+1)
}

// errFound stops a scan at its first message.
var errFound = errors.New("found")

// firstAt is the sequence of the first message stored at cut or later, or none.
func (j *Janitor) firstAt(ctx context.Context, cut time.Time, none uint64) (uint64, error) {
	seq := none
	err := j.settings.Verified.Scan(ctx, bus.From{Time: cut}, func(s *bus.Stored) error {
		seq = min(seq, s.Seq)
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return 0, fmt.Errorf("find the age of the verified stream: %w", err)
	}
	return seq, nil
}

// floors is what each consumer has yet to do. One that has nothing left, though its floor
// lies low because other sources' events came after, needs nothing up to last, which was
// read before.
func floors(ctx context.Context, stream jetstream.Stream, last uint64) ([]bound, error) {
	var out []bound
	list := stream.ListConsumers(ctx)
	for c := range list.Info() {
		from := c.AckFloor.Stream + 1
		if c.NumPending == 0 && c.NumAckPending == 0 {
			from = max(from, last+1)
		}
		out = append(out, bound{c.Name, from})
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the consumers of the verified stream: %w", err)
	}
	return out, nil
}
