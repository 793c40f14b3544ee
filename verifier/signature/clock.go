package signature

import (
	"strconv"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// clock reads a signed time and judges it at the time of receipt.
type clock struct {
	slot         int
	digits       int
	unit         time.Duration
	past, future time.Duration
}

func compileClock(ts *provider.Timestamp, opt Options) *clock {
	c := &clock{digits: ts.Digits(), unit: time.Second, past: ts.Past, future: ts.Future}
	if ts.Unit == "ms" {
		c.unit = time.Millisecond
	}
	if opt.Tolerance > 0 {
		c.past = opt.Tolerance
	}
	if opt.Skew > 0 {
		c.future = opt.Skew
	}
	return c
}

// parse accepts exactly the unit's number of ASCII digits: no sign, space, fraction or leading zero more.
func (c *clock) parse(text string) (time.Time, bool) {
	if len(text) != c.digits {
		return time.Time{}, false
	}
	var n int64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return time.Time{}, false
		}
		n = 10*n + int64(text[i]-'0')
	}
	if c.unit == time.Millisecond {
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}

func (c *clock) format(at time.Time) string {
	if c.unit == time.Millisecond {
		return strconv.FormatInt(at.UnixMilli(), 10)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

func (c *clock) judge(signed, received time.Time) *Refusal {
	switch age := received.Sub(signed); {
	case age > c.past:
		return refuse(outcome.Stale, "the signed time was older than the tolerance at receipt")
	case -age > c.future:
		return refuse(outcome.Future, "the signed time lay further in the future than the skew at receipt")
	}
	return nil
}
