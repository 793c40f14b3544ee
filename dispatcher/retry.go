package dispatcher

import (
	"time"

	"github.com/doorward/doorward/shared/config"
)

// jitter spreads attempts over ±20 % of a pause, so that events which failed together do
// not come back together.
const jitter = 0.2

// schedule is when a target's attempts follow one another.
type schedule struct {
	attempts int
	pauses   []time.Duration
	rand     func() float64 // in [0,1)
}

func newSchedule(r config.Retry, rand func() float64) schedule {
	s := schedule{attempts: max(r.Attempts, 1), rand: rand}
	for _, d := range r.Backoff {
		s.pauses = append(s.pauses, time.Duration(d))
	}
	return s
}

// last says whether no attempt follows the given one, counted from 1.
func (s schedule) last(attempt int) bool { return attempt >= s.attempts }

// after is the pause behind the given attempt. What the target asked for wins over the
// schedule; a schedule that is too short repeats its last pause.
func (s schedule) after(attempt int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	if len(s.pauses) == 0 {
		return time.Second
	}
	pause := s.pauses[min(max(attempt, 1), len(s.pauses))-1]
	return time.Duration(float64(pause) * (1 + jitter*(2*s.rand()-1)))
}
