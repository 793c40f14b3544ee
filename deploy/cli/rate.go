package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// rate is so many a second; 0 means no limit. It is a flag's value: "20", "20/s" or "90/m".
type rate float64

// String is the rate as it is written.
func (r *rate) String() string {
	if *r == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*r), 'g', -1, 64) + "/s"
}

// Set reads a rate.
func (r *rate) Set(text string) error {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	per := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || per == 0 || !(n > 0) || n > 1e6 {
		return fmt.Errorf("%q is not a rate such as 20/s or 90/m", text)
	}
	*r = rate(n / per)
	return nil
}

// Type names the value in help.
func (r *rate) Type() string { return "rate" }

// wait lets the i-th of a series pass when its turn has come.
func (r rate) wait(ctx context.Context, i int) error {
	if r == 0 || i == 0 {
		return ctx.Err()
	}
	return pause(ctx, time.Duration(float64(time.Second)/float64(r)))
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
