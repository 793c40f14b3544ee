package admin

import (
	"context"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

// How often the admin does what nobody asks for.
const (
	measureEvery = 5 * time.Second
	tidyEvery    = 5 * time.Minute
	// choreTime bounds one chore.
	choreTime = 2 * time.Minute
)

// chores keeps the numbers fresh and the verified stream trimmed, until ctx is done. The
// books come first: the janitor goes no further than they have balanced.
func (a *Admin) chores(ctx context.Context) {
	measure, tidy := time.NewTicker(measureEvery), time.NewTicker(tidyEvery)
	defer measure.Stop()
	defer tidy.Stop()
	a.measure(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-measure.C:
			a.measure(ctx)
		case <-tidy.C:
			a.balance(ctx)
			a.trim(ctx)
		}
	}
}

func (a *Admin) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, choreTime)
	defer cancel()
	stats, err := a.bus.stats(ctx, a.targetNames())
	if err != nil {
		a.complain(ctx, err, "bus could not be measured")
		return
	}
	a.metrics.take(stats)
}

func (a *Admin) balance(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, choreTime)
	defer cancel()
	report, err := a.books.Balance(ctx, false)
	if err != nil {
		a.complain(ctx, err, "books could not be balanced")
		return
	}
	a.metrics.balanced(report)
	if report.State != api.Balanced {
		a.settings.Log.Error().Str("state", report.State).Uint64("missing", report.MissingCount).Uint64("doubled", report.DoubledCount).
			Uint64("evicted", report.UnaccountedByEviction).Uint64("checkpoint", report.Checkpoint).Msg("books did not balance")
	}
}

func (a *Admin) trim(ctx context.Context) {
	if a.janitor == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, choreTime)
	defer cancel()
	done, err := a.janitor.Trim(ctx, time.Duration(a.config.Load().Streams.Verified.Keep))
	if err != nil {
		a.complain(ctx, err, "verified stream could not be trimmed")
		return
	}
	a.settings.Log.Debug().Uint64("removed", done.Removed).Str("held_by", done.HeldBy).Msg("verified stream trimmed")
}

// complain logs what a chore failed at, unless the process is stopping.
func (a *Admin) complain(ctx context.Context, err error, what string) {
	if ctx.Err() != context.Canceled {
		a.settings.Log.Warn().Str("cause", err.Error()).Msg(what)
	}
}
