package dispatcher

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/shared/config"
	"pgregory.net/rapid"
)

func TestScheduleFollowsTheConfiguration(t *testing.T) {
	s := newSchedule(config.Retry{Attempts: 4, Backoff: []config.Duration{config.Duration(time.Second), config.Duration(5 * time.Second)}}, func() float64 { return 0.5 })
	for attempt, want := range map[int]time.Duration{1: time.Second, 2: 5 * time.Second, 3: 5 * time.Second, 90: 5 * time.Second} {
		if got := s.after(attempt, 0); got != want {
			t.Errorf("after attempt %d: got %s, want %s", attempt, got, want)
		}
	}
	if got := s.after(1, time.Minute); got != time.Minute {
		t.Errorf("the target asked for a minute: got %s", got)
	}
	if s.last(3) || !s.last(4) || !s.last(9) {
		t.Errorf("last: 3 %v, 4 %v, 9 %v", s.last(3), s.last(4), s.last(9))
	}
}

func TestPausesStayWithinTheirJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pause := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "pause"))
		share := rapid.Float64Range(0, 0.999999).Draw(t, "rand")
		s := newSchedule(config.Retry{Attempts: 8, Backoff: []config.Duration{config.Duration(pause)}}, func() float64 { return share })
		got := s.after(rapid.IntRange(1, 100).Draw(t, "attempt"), 0)
		if float64(got) < 0.8*float64(pause)-1 || float64(got) > 1.2*float64(pause)+1 {
			t.Fatalf("pause of %s became %s", pause, got)
		}
	})
}

// The clock of the bubble moves only by what is slept, so the sum is exact.
func TestPausesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(config.Retry{Attempts: 4, Backoff: []config.Duration{config.Duration(time.Second), config.Duration(time.Minute), config.Duration(time.Hour)}}, func() float64 { return 0.5 })
		began := time.Now()
		for attempt := 1; !s.last(attempt); attempt++ {
			if !sleep(context.Background(), s.after(attempt, 0)) {
				t.Fatal("woken early")
			}
		}
		if got, want := time.Since(began), time.Hour+time.Minute+time.Second; got != want {
			t.Errorf("all attempts took %s, want %s", got, want)
		}
		stopped, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if sleep(stopped, time.Hour) || time.Since(began) > 2*time.Hour {
			t.Error("a pause went on after its context was done")
		}
	})
}
