// Package target is the contract between the dispatcher and the kinds of places it sends
// events to.
//
// It promises that an attempt ends in exactly one of three answers, so that what happens
// next (acknowledge, try again, dead letter) is decided by a type and in one place.
// Targets neither retry nor keep count; they know one attempt.
package target

import (
	"context"
	"time"

	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
)

// Target is one place that events go to. It is safe for concurrent use.
type Target interface {
	// Begin does what must happen in the order of the events and returns without waiting
	// for anybody: a publish is under way when it returns. The Attempt must be called once.
	Begin(e *event.Event) Attempt
}

// Attempt does the rest of one attempt and waits for its end, at most until ctx is done.
type Attempt func(ctx context.Context) Result

// Answer is what a Result says about the event.
type Answer uint8

// The answers. Retry is zero: an answer that somebody forgot never counts as delivered.
const (
	// Retry: not delivered, or not known to be; another attempt may succeed.
	Retry Answer = iota
	// Done: the target has the event.
	Done
	// Refuse: the same attempt would fail again.
	Refuse
)

var answerNames = [...]string{"retry", "done", "refuse"}

// String is the answer's name.
func (a Answer) String() string { return answerNames[a] }

// Result is how an attempt ended.
type Result struct {
	Answer Answer
	// Reason is set unless Answer is Done.
	Reason outcome.Reason
	// Detail is for operators. It never repeats what the target answered.
	Detail string
	// After is how long the target wants to be left alone before a Retry; 0 leaves it to the schedule.
	After time.Duration
}

// Delivered is the result of an attempt that succeeded.
func Delivered() Result { return Result{Answer: Done} }

// Again is the result of an attempt that may succeed later, not before after.
func Again(r outcome.Reason, detail string, after time.Duration) Result {
	return Result{Answer: Retry, Reason: r, Detail: detail, After: after}
}

// Refused is the result of an attempt that would fail again.
func Refused(r outcome.Reason, detail string) Result {
	return Result{Answer: Refuse, Reason: r, Detail: detail}
}

// Failed is an Attempt that is over before anything was sent.
func Failed(r Result) Attempt { return func(context.Context) Result { return r } }
