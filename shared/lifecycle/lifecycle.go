// Package lifecycle runs the parts of a process and stops them in order.
//
// It promises that parts start in the order given and stop in the reverse one, each only
// after those that were started later have returned: intake, which is started last, stops
// first. One part that ends ends the process.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Part is something that runs until its context is done.
type Part struct {
	Name string
	Run  func(context.Context) error
}

// ErrStuck: a part did not stop in time; what it held stays on the bus.
var ErrStuck = errors.New("did not stop in time")

// errEnded: a part returned without being told to.
var errEnded = errors.New("ended by itself")

type running struct {
	part Part
	stop context.CancelFunc
	done chan error
}

// Run starts the parts and blocks until ctx is done or one of them ends, then stops all of
// them, allowing each patience. The first part's own error, if any, is the result.
func Run(ctx context.Context, log zerolog.Logger, patience time.Duration, parts ...Part) error {
	ended := make(chan struct{}, len(parts))
	started := make([]*running, 0, len(parts))
	for _, p := range parts {
		started = append(started, start(ctx, p, ended))
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	early := ctx.Err() == nil
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		err := r.end(patience, early)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.part.Name, err))
		}
		log.Info().Str("part", r.part.Name).Bool("clean", err == nil).Msg("part stopped")
	}
	return errors.Join(errs...)
}

// start gives a part a context that only its own stop ends, so that the order is ours.
func start(ctx context.Context, p Part, ended chan<- struct{}) *running {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{part: p, stop: stop, done: make(chan error, 1)}
	go func() {
		r.done <- p.Run(own)
		ended <- struct{}{}
	}()
	return r
}

// end stops a part and waits. early says that the process was not told to stop: a part
// that is over by then has ended by itself.
func (r *running) end(patience time.Duration, early bool) error {
	select {
	case err := <-r.done:
		r.stop()
		if err == nil && early {
			return errEnded
		}
		return err
	default:
	}
	r.stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-r.done:
		return err
	case <-timer.C:
		return ErrStuck
	}
}
