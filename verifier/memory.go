package verifier

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/shared/bus"
)

// origin is the first copy of a nonce.
type origin struct {
	seq    uint64 // verified sequence, 0 for a claim
	raw    uint64
	digest string
	// delivery is the one that was published, a replay's own id for a replay.
	delivery string
}

// memory is what the record streams tell of one lane since a moment: which nonces were
// published and which raw messages have an outcome.
//
// Two cases need it. After another verifier died, messages come again whose outcome was
// stored but not acknowledged; the record streams' own duplicate windows may be over by
// then. And a message that waited long may repeat one whose nonce has left the window,
// which counts from publication while freshness counts from receipt.
type memory struct {
	from    time.Time
	taken   time.Time // when it was read
	nonces  map[string]origin
	settled map[uint64]bool
}

// readers of the three record streams.
type readers struct{ verified, refused, quarantine, claims *bus.Reader }

// recall reads the record streams from a moment on, for the sources of one lane.
func (r *readers) recall(ctx context.Context, lane int, from time.Time) (*memory, error) {
	m := &memory{from: from, taken: time.Now(), nonces: map[string]origin{}, settled: map[uint64]bool{}}
	err := r.verified.Scan(ctx, bus.From{Time: from}, func(s *bus.Stored) error {
		if bus.LaneOf(first(s, "ce-dwsource")) == lane {
			m.noteEvent(s)
		}
		return nil
	})
	for _, records := range []*bus.Reader{r.refused, r.quarantine} {
		if err != nil {
			break
		}
		err = records.Scan(ctx, bus.From{Time: from}, func(s *bus.Stored) error {
			if bus.LaneOf(first(s, bus.HeaderSource)) == lane && first(s, bus.HeaderReplayOf) == "" {
				m.settled[sequence(s, bus.HeaderRaw)] = true
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("recall what lane %d has recorded: %w", lane, err)
	}
	return m, nil
}

func (m *memory) noteEvent(s *bus.Stored) {
	o := eventOrigin(s)
	m.note(first(s, bus.MsgID), o)
	if first(s, "ce-dwreplayof") == "" {
		m.settled[o.raw] = true
	}
}

// note remembers the first copy of a nonce.
func (m *memory) note(nonce string, o origin) {
	if _, known := m.nonces[nonce]; !known {
		m.nonces[nonce] = o
	}
}

// reaches says whether the memory goes back to a moment.
func (m *memory) reaches(from time.Time) bool { return m != nil && !m.from.After(from) }

func eventOrigin(s *bus.Stored) origin {
	return origin{seq: s.Seq, raw: sequence(s, "ce-dwraw"), digest: first(s, "ce-dwdigest"), delivery: first(s, "ce-dwdelivery")}
}

func first(s *bus.Stored, header string) string {
	if v := s.Header[header]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// sequence is a header's number, 0 where there is none: no stream has a message 0.
func sequence(s *bus.Stored, header string) uint64 {
	n, err := strconv.ParseUint(first(s, header), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
