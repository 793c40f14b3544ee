// Package nats delivers events to subjects that a stream keeps.
//
// It promises that an event counts as delivered only when a stream has acknowledged it,
// that the same event is stored once within the stream's duplicate window, that events
// begun in an order are published in that order, and that two events with different
// attributes never meet on one subject.
package nats

import (
	"context"
	"errors"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
)

// Settings are what a NATS target needs.
type Settings struct {
	// Name of the target; it starts every message id.
	Name string
	// Subject is the parsed template.
	Subject []config.SubjectPart
	// Publisher is shared by all targets; it never waits between publishes.
	Publisher *bus.Publisher
}

// Target publishes each event as a CloudEvent in the NATS binding's binary mode.
type Target struct{ settings Settings }

// New makes a target. The template has been parsed, so nothing can fail.
func New(s Settings) *Target { return &Target{s} }

// Begin publishes e; the attempt waits for the stream's acknowledgement.
func (t *Target) Begin(e *event.Event) target.Attempt {
	subject, err := render(t.settings.Subject, e)
	if err != nil {
		return target.Failed(target.Refused(outcome.Internal, err.Error()))
	}
	m := e.Msg(subject)
	m.Header.Set(bus.MsgID, MessageID(t.settings.Name, e))
	pending, err := t.settings.Publisher.Send(m)
	return func(ctx context.Context) target.Result {
		if err == nil {
			_, err = pending.Wait(ctx)
		}
		for tries := 0; tries < inFlightTries && errors.Is(err, bus.ErrInFlight) && pause(ctx); tries++ {
			_, err = t.settings.Publisher.Publish(ctx, m)
		}
		return judge(err)
	}
}

// MessageID is what a stream knows the event by: the target, the configured source and
// the event's id. An id is unique within its source only; without the source, one sender
// could pick another's ids and have the other's events taken for duplicates.
func MessageID(name string, e *event.Event) string {
	return name + "." + e.DwSource + "." + event.Escape(e.ID)
}

// On a cluster a second copy in flight is refused until the first is stored: that is a
// question of milliseconds and no failure of the target.
const (
	inFlightTries = 5
	inFlightPause = 50 * time.Millisecond
)

func pause(ctx context.Context) bool {
	timer := time.NewTimer(inFlightPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge: what the stream refuses now it may take later; what the client can't even send
// it never will.
func judge(err error) target.Result {
	switch {
	case err == nil:
		return target.Delivered()
	case errors.Is(err, bus.ErrFull):
		return target.Again(outcome.Target5xx, err.Error(), 0)
	case errors.Is(err, bus.ErrUnavailable), errors.Is(err, bus.ErrInFlight):
		return target.Again(outcome.TargetTimeout, err.Error(), 0)
	}
	return target.Refused(outcome.Internal, err.Error())
}
