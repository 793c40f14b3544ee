package http

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/outcome"
)

// maxRetryAfter bounds how long a target may ask to be left alone.
const maxRetryAfter = time.Hour

// judgeAnswer decides by status alone. A target that says "gone" or that the request is
// wrong says so again next time; everything else may pass.
func judgeAnswer(r egress.Response, now time.Time) target.Result {
	detail := fmt.Sprintf("the target answered %d", r.Status)
	switch {
	case r.Status >= 200 && r.Status < 300:
		return target.Delivered()
	case r.Status == http.StatusGone:
		return target.Refused(outcome.TargetGone, detail)
	case r.Status == http.StatusTooManyRequests:
		return target.Again(outcome.Target4xx, detail, retryAfter(r.Header, now))
	case r.Status == http.StatusRequestTimeout || r.Status == http.StatusTooEarly:
		return target.Again(outcome.Target4xx, detail, 0)
	case r.Status == http.StatusServiceUnavailable:
		return target.Again(outcome.Target5xx, detail, retryAfter(r.Header, now))
	case r.Status >= 500:
		return target.Again(outcome.Target5xx, detail, 0)
	}
	return target.Refused(outcome.Target4xx, detail)
}

// retryAfter reads seconds or a date (RFC 9110, §10.2.3); 0 when there is none, or none to wait for.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		wait = time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// timeout is what contexts and the network say when time ran out.
type timeout interface {
	error
	Timeout() bool
}

// judgeError: policy and redirects are for an operator to mend; the network may recover.
func judgeError(err error) target.Result {
	if denied, ok := errors.AsType[*egress.DeniedError](err); ok {
		return target.Refused(outcome.EgressDenied, denied.Error())
	}
	if redirect, ok := errors.AsType[*egress.RedirectError](err); ok {
		return target.Refused(outcome.Target4xx, redirect.Error())
	}
	if slow, ok := errors.AsType[timeout](err); ok && slow.Timeout() {
		return target.Again(outcome.TargetTimeout, err.Error(), 0)
	}
	return target.Again(outcome.Target5xx, err.Error(), 0)
}
