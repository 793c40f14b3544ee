package books

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// source is one outcome stream and how its records say what they answer for.
type source struct {
	name   string
	reader *bus.Reader
	read   func(*bus.Stored) Outcome
}

// readers say where each stream's records carry the raw sequence. A verified event is not
// parsed whole: the books must count also what is no valid event.
var readers = [streams]func(*bus.Stored) Outcome{verified: ofEvent, refused: ofRecord, quarantine: ofRecord}

func ofEvent(s *bus.Stored) Outcome {
	return Outcome{Seq: s.Seq, Raw: number(s.Header, "ce-dwraw"), Replay: first(s.Header, "ce-dwreplayof") != ""}
}

func ofRecord(s *bus.Stored) Outcome {
	return Outcome{
		Seq: s.Seq, Raw: number(s.Header, bus.HeaderRaw),
		Replay:    first(s.Header, bus.HeaderReplayOf) != "",
		Duplicate: first(s.Header, bus.HeaderReason) == string(outcome.DuplicateReason),
	}
}

func first(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func number(h nats.Header, name string) uint64 {
	n, err := strconv.ParseUint(first(h, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// end is the stream's last sequence now.
func (s *source) end(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	stream, err := js.Stream(ctx, s.name)
	if err != nil {
		return 0, fmt.Errorf("read the state of stream %s: %w", s.name, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// errEnd stops a scan at the end that was fixed before it began: under traffic a stream
// has no other.
var errEnd = errors.New("end of the books")

// scan enters everything behind the run's mark up to last.
func (s *source) scan(ctx context.Context, r *run, p place, last uint64) error {
	if from := r.marks[p].read + 1; from <= last {
		err := s.reader.Scan(ctx, bus.From{Seq: from}, func(m *bus.Stored) error {
			if m.Seq <= last {
				r.enter(p, s.read(m))
			}
			if m.Seq >= last {
				return errEnd
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnd) {
			return err
		}
	}
	r.end(p, last)
	return nil
}
