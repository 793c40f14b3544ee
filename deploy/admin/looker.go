package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// looker sees the other accounts' JetStream through the imports of OPS.
type looker struct {
	nc    *nats.Conn
	names bus.Names
	apis  map[string]jetstream.JetStream
}

func newLooker(nc *nats.Conn, names bus.Names) (*looker, error) {
	l := &looker{nc: nc, names: names, apis: map[string]jetstream.JetStream{}}
	for _, prefix := range []string{bus.APIEdge, bus.APICore, bus.APIOut, bus.APIAudit} {
		js, err := jetstream.NewWithAPIPrefix(nc, prefix)
		if err != nil {
			return nil, fmt.Errorf("look into %s: %w", prefix, err)
		}
		l.apis[prefix] = js
	}
	return l, nil
}

// apiOf is through which import a stream is seen; streams that are not here are not.
var apiOf = map[bus.Stream]string{
	bus.Raw: bus.APIEdge, bus.Verified: bus.APICore, bus.Nonces: bus.APICore, bus.Replay: bus.APICore,
	bus.Refused: bus.APICore, bus.Quarantine: bus.APICore, bus.Outbox: bus.APIOut, bus.Dead: bus.APIOut, bus.AuditLog: bus.APIAudit,
}

// seen lists them in the order of a webhook's way.
var seen = []bus.Stream{bus.Raw, bus.Verified, bus.Nonces, bus.Replay, bus.Refused, bus.Quarantine, bus.Outbox, bus.Dead, bus.AuditLog}

func (l *looker) reader(s bus.Stream) *bus.Reader {
	return bus.NewReader(l.nc, apiOf[s], l.names.Stream(s))
}

func (l *looker) info(ctx context.Context, s bus.Stream, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	stream, err := l.apis[apiOf[s]].Stream(ctx, l.names.Stream(s))
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", l.names.Stream(s), err)
	}
	if len(opts) == 0 {
		return stream.CachedInfo(), nil
	}
	info, err := stream.Info(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", l.names.Stream(s), err)
	}
	return info, nil
}

// consumer is a consumer's state, nil when there is none of that name.
func (l *looker) consumer(ctx context.Context, s bus.Stream, name string) (*jetstream.ConsumerInfo, error) {
	c, err := l.apis[apiOf[s]].Consumer(ctx, l.names.Stream(s), name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at consumer %s: %w", name, err)
	}
	return c.CachedInfo(), nil
}

// oldestRaw is when the oldest request that waits for the verifier was received, zero when none waits.
func (l *looker) oldestRaw(ctx context.Context) (time.Time, error) {
	info, err := l.info(ctx, bus.Raw)
	if err != nil || info.State.Msgs == 0 {
		return time.Time{}, err
	}
	return info.State.FirstTime, nil
}

// stats reads every stage, without the tallies.
func (l *looker) stats(ctx context.Context, targets []string) (api.Stats, error) {
	out := api.Stats{At: time.Now().UTC(), Lanes: []api.Consumer{}, Targets: []api.Consumer{}}
	for _, s := range seen {
		info, err := l.info(ctx, s)
		if err != nil {
			return api.Stats{}, err
		}
		out.Streams = append(out.Streams, storeOf(info))
	}
	for i := range bus.Lanes {
		c, err := l.consumerStats(ctx, bus.Raw, bus.LaneConsumer(i), bus.LaneToken(i))
		if err != nil {
			return api.Stats{}, err
		}
		out.Lanes = append(out.Lanes, c)
	}
	for _, t := range targets {
		c, err := l.consumerStats(ctx, bus.Verified, bus.TargetConsumer(t), t)
		if err != nil {
			return api.Stats{}, err
		}
		out.Targets = append(out.Targets, c)
	}
	return out, nil
}

func storeOf(info *jetstream.StreamInfo) api.Store {
	s := api.Store{Stream: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes, LastSeq: info.State.LastSeq}
	if info.Config.MaxBytes > 0 {
		s.MaxBytes = uint64(info.Config.MaxBytes)
	}
	if info.State.Msgs > 0 {
		s.OldestSeconds = info.TimeStamp.Sub(info.State.FirstTime).Seconds()
	}
	return s
}

func (l *looker) consumerStats(ctx context.Context, s bus.Stream, durable, name string) (api.Consumer, error) {
	info, err := l.consumer(ctx, s, durable)
	if err != nil || info == nil {
		return api.Consumer{Name: name, Missing: info == nil}, err
	}
	out := api.Consumer{Name: name, Pending: info.NumPending, AckPending: info.NumAckPending, Redelivered: info.NumRedelivered}
	if s == bus.Verified && out.Pending+uint64(out.AckPending) > 0 {
		out.OldestSeconds, err = l.oldestOf(ctx, info)
	}
	return out, err
}

var errFound = errors.New("found")

// oldestOf is the age of the first message above a consumer's floor that its filters take.
func (l *looker) oldestOf(ctx context.Context, info *jetstream.ConsumerInfo) (float64, error) {
	filters := info.Config.FilterSubjects
	if len(filters) == 0 {
		filters = []string{info.Config.FilterSubject}
	}
	oldest := info.TimeStamp
	for _, filter := range filters {
		err := l.reader(bus.Verified).Scan(ctx, bus.From{Seq: info.AckFloor.Stream + 1, Subject: filter}, func(s *bus.Stored) error {
			if s.Time.Before(oldest) {
				oldest = s.Time
			}
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			return 0, err
		}
	}
	return info.TimeStamp.Sub(oldest).Seconds(), nil
}

// tallies counts what the outcome streams keep, by the tokens of their subjects.
func (l *looker) tallies(ctx context.Context) ([]api.Tally, error) {
	sums := map[api.Tally]uint64{}
	for _, s := range []bus.Stream{bus.Verified, bus.Refused, bus.Quarantine, bus.Dead} {
		info, err := l.info(ctx, s, jetstream.WithSubjectFilter(">"))
		if err != nil {
			return nil, err
		}
		for subject, n := range info.State.Subjects {
			sums[tallyOf(s, subject)] += n
		}
	}
	out := make([]api.Tally, 0, len(sums))
	for t, n := range sums {
		t.Count = n
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b api.Tally) int {
		return strings.Compare(a.Outcome+"\x00"+a.Source+a.Target+"\x00"+a.Reason, b.Outcome+"\x00"+b.Source+b.Target+"\x00"+b.Reason)
	})
	return out, nil
}

// tallyOf reads a subject: prefix, stream, source or target, reason or type.
func tallyOf(s bus.Stream, subject string) api.Tally {
	tokens := strings.SplitN(subject, ".", 4)
	if len(tokens) < 4 {
		return api.Tally{}
	}
	switch s {
	case bus.Verified:
		return api.Tally{Outcome: "verified", Source: tokens[2]}
	case bus.Dead:
		return api.Tally{Outcome: "dead", Target: tokens[2], Reason: tokens[3]}
	case bus.Quarantine:
		return api.Tally{Outcome: "quarantined", Source: tokens[2], Reason: tokens[3]}
	}
	if tokens[3] == string(outcome.DuplicateReason) {
		return api.Tally{Outcome: "duplicate", Source: tokens[2]}
	}
	return api.Tally{Outcome: "refused", Source: tokens[2], Reason: tokens[3]}
}
