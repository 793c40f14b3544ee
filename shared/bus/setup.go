package bus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// DiffersError says which settings of something that exists are not what the table says.
type DiffersError struct {
	What   string
	Fields []string
}

// Error names the thing, the settings, and the way out.
func (e *DiffersError) Error() string {
	return fmt.Sprintf("%s exists and differs in %s: delete it after its messages are worked off, or use another nats.prefix", e.What, strings.Join(e.Fields, ", "))
}

// Setup creates what the table declares in one account, idempotently. Limits and windows
// that the configuration decides are updated in place; anything else that exists and
// differs is a *DiffersError and nothing is changed. Consumers of targets that are gone
// are left alone: they may hold work.
func (l Layout) Setup(ctx context.Context, account string, js jetstream.JetStream) error {
	for _, d := range l.Streams() {
		if d.Account != account {
			continue
		}
		s, err := ensureStream(ctx, js, d.Config)
		if err != nil {
			return err
		}
		for _, c := range d.Consumers {
			if err := ensureConsumer(ctx, s, c); err != nil {
				return fmt.Errorf("stream %s: %w", d.Config.Name, err)
			}
		}
	}
	return nil
}

func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("create stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if fields := fixedDifferences(have, want); len(fields) > 0 {
		return nil, &DiffersError{"stream " + want.Name, fields}
	}
	if !tunableDiffer(have, want) {
		return s, nil
	}
	if s, err = js.UpdateStream(ctx, want); err != nil {
		return nil, fmt.Errorf("update the limits of stream %s: %w", want.Name, err)
	}
	return s, nil
}

// fixed lists the settings that carry a promise; a stream that differs in one is not ours.
var fixed = []string{"Retention", "Discard", "DiscardNewPerSubject", "Storage", "SubjectTransform", "RePublish", "AllowDirect", "AllowRollup", "AllowMsgTTL", "AllowMsgSchedules", "DenyDelete", "DenyPurge", "NoAck", "Sources", "Mirror"}

func fixedDifferences(have, want jetstream.StreamConfig) []string {
	var out []string
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for _, name := range fixed {
		if !reflect.DeepEqual(h.FieldByName(name).Interface(), w.FieldByName(name).Interface()) {
			out = append(out, name)
		}
	}
	if want.Name[strings.LastIndexByte(want.Name, '_')+1:] != string(Outbox) && !slices.Equal(have.Subjects, want.Subjects) {
		out = append(out, "Subjects")
	}
	return out
}

func tunableDiffer(have, want jetstream.StreamConfig) bool {
	return have.MaxBytes != want.MaxBytes || have.MaxMsgsPerSubject != want.MaxMsgsPerSubject ||
		have.MaxAge != want.MaxAge || have.Duplicates != want.Duplicates || have.Replicas != want.Replicas ||
		!slices.Equal(have.Subjects, want.Subjects)
}

// ensureConsumer creates a durable or updates what may change on it. Where it started and
// how it acknowledges never change.
func ensureConsumer(ctx context.Context, s jetstream.Stream, want jetstream.ConsumerConfig) error {
	c, err := s.Consumer(ctx, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = s.CreateConsumer(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("create consumer %s: %w", want.Durable, err)
	}
	if c == nil {
		return nil
	}
	have := c.CachedInfo().Config
	if have.AckPolicy != want.AckPolicy || have.PriorityPolicy != want.PriorityPolicy {
		return &DiffersError{"consumer " + want.Durable, []string{"AckPolicy", "PriorityPolicy"}}
	}
	want.DeliverPolicy, want.OptStartTime, want.OptStartSeq = have.DeliverPolicy, have.OptStartTime, have.OptStartSeq
	if slices.Equal(have.FilterSubjects, want.FilterSubjects) && have.FilterSubject == want.FilterSubject && have.MaxAckPending == want.MaxAckPending && have.AckWait == want.AckWait {
		return nil
	}
	if _, err := s.UpdateConsumer(ctx, want); err != nil {
		return fmt.Errorf("update consumer %s: %w", want.Durable, err)
	}
	return nil
}
