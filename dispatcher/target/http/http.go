// Package http delivers events as signed CloudEvents over HTTP.
//
// It promises that a request leaves through the egress client and in no other way, that a
// signature in structured mode covers every attribute and every byte of the data, and that
// the target's answer decides nothing but done, again or never.
package http

import (
	"context"
	"net/http"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
)

// Settings are what an HTTP target needs.
type Settings struct {
	URL string
	// Binary sends attributes as headers, which the signature does not cover.
	Binary bool
	// Timeout of one attempt.
	Timeout time.Duration
	// Signer is nil for requests without a signature.
	Signer *Signer
	Egress *egress.Client
	Now    func() time.Time
}

// Target posts events to one URL.
type Target struct{ settings Settings }

// New makes a target.
func New(s Settings) *Target { return &Target{s} }

// Begin makes the request's body; the attempt signs and sends it.
func (t *Target) Begin(e *event.Event) target.Attempt {
	encode := structured
	if t.settings.Binary {
		encode = binary
	}
	header, body, err := encode(e)
	if err != nil {
		return target.Failed(target.Refused(outcome.Internal, err.Error()))
	}
	return func(ctx context.Context) target.Result {
		t.settings.Signer.sign(header, messageID(e), t.settings.Now(), body)
		answer, err := t.settings.Egress.Do(ctx, egress.Request{
			Method: http.MethodPost, URL: t.settings.URL, Header: header, Body: body, Timeout: t.settings.Timeout,
		})
		if err != nil {
			return judgeError(err)
		}
		return judgeAnswer(answer, t.settings.Now())
	}
}

// messageID is the event's id as receivers deduplicate by it. The encoding leaves the ids
// that providers use as they are; it keeps dots out, which separate the signed parts.
func messageID(e *event.Event) string {
	id, _ := bus.EncodeToken(e.ID)
	return id
}
