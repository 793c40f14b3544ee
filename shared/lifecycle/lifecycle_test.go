package lifecycle

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestPartsStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped []string
		part := func(name string) Part {
			return Part{name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				stopped = append(stopped, name)
				return nil
			}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := Run(ctx, zerolog.Nop(), time.Minute, part("bus"), part("guard"), part("intake")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"intake", "guard", "bus"}; !slices.Equal(stopped, want) {
			t.Errorf("stopped %v, want %v", stopped, want)
		}
	})
}

func TestOnePartEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		waits := Part{"guard", func(ctx context.Context) error { <-ctx.Done(); return nil }}
		for name, end := range map[string]struct{ part, want error }{"with an error": {broken, broken}, "without one": {nil, errEnded}} {
			err := Run(t.Context(), zerolog.Nop(), time.Minute, waits, Part{"intake", func(context.Context) error { return end.part }})
			if !errors.Is(err, end.want) {
				t.Errorf("%s: got %v, want %v", name, err, end.want)
			}
		}
	})
}

func TestStuckPartIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Run(ctx, zerolog.Nop(), time.Minute, Part{"guard", func(context.Context) error { <-release; return nil }})
		close(release)
		if !errors.Is(err, ErrStuck) {
			t.Errorf("got %v, want ErrStuck", err)
		}
	})
}
