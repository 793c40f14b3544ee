// Package signature compiles a provider's spec into a plan that verifies
// requests and makes the same signatures a sender would.
//
// It promises that nothing is accepted that one of the configured keys did not
// sign over exactly these bytes, that keys and times are judged at the time of
// receipt and only once a signature has matched, that a request never chooses
// how it is checked, and that the work one request can cause is bounded. It
// knows no provider by name: what it does comes from the spec alone.
package signature

import (
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/provider"
)

// Request is one received request as the verified bytes.
type Request struct {
	// Method and Target are the request line's, as received.
	Method, Target string
	// Header holds each line with its name canonical and its value byte for byte, values of one name in order.
	Header []Field
	// Body is byte for byte what was received, not decompressed.
	Body []byte
}

// Field is one header line.
type Field struct{ Name, Value string }

// Options is what a source adds to a provider's spec.
type Options struct {
	// With sets the spec's parameters.
	With map[string]string
	// Keys are tried in order; several may be valid at once.
	Keys []Key
	// Tolerance is how old a signed time may be at receipt; 0 takes the spec's.
	Tolerance time.Duration
	// Skew is how far in the future it may lie; 0 takes the spec's.
	Skew time.Duration
	// AllowWeakSecret accepts shared secrets under 24 bytes.
	AllowWeakSecret bool
}

// Scheme is a compiled plan. It is safe for concurrent use.
type Scheme struct {
	name    string
	horizon time.Duration
	event   provider.Event

	reads     []read
	layout    layout
	content   []segment
	clock     *clock
	keys      []key
	coverage  Coverage
	digestTag byte // class of an identity that is a digest

	pool sync.Pool // of *work
}

// Compile turns a spec and a source's options into a Scheme. It fails on everything that could
// make a check pass by accident: parameters or keys that are missing, unknown, empty, weak, undecodable,
// twice the same, or of the wrong kind. All faulty keys are reported together; no error shows key material.
func Compile(spec *provider.Spec, opt Options) (*Scheme, error) {
	v, err := spec.Resolve(opt.With)
	if err != nil {
		return nil, err
	}
	s := &Scheme{name: spec.ID + "/" + v.Name, horizon: spec.RetryHorizon, event: v.Event}
	s.pool.New = func() any { return new(work) }
	if v.Timestamp == nil && opt.Tolerance > 0 {
		return nil, fmt.Errorf("compile %s: a tolerance has no effect, the scheme signs no time", s.name)
	}
	if err := s.plan(v, opt); err != nil {
		return nil, fmt.Errorf("compile %s: %w", s.name, err)
	}
	if s.keys, err = compileKeys(v, spec.Published, opt); err != nil {
		return nil, fmt.Errorf("compile %s: %w", s.name, err)
	}
	s.cover(v)
	return s, nil
}

// Name is the provider's id and the pinned variant, for example "standard-webhooks/v1".
func (s *Scheme) Name() string { return s.name }

// RetryHorizon is how long the provider repeats one delivery.
func (s *Scheme) RetryHorizon() time.Duration { return s.horizon }

// Event is the provider's preset for a delivery's attributes.
func (s *Scheme) Event() provider.Event { return s.event }

// Freshness is how far before and after the time of receipt a signed time may lie; zeros if the
// scheme signs no time.
func (s *Scheme) Freshness() (past, future time.Duration) {
	if s.clock == nil {
		return 0, 0
	}
	return s.clock.past, s.clock.future
}

// SharesKey says whether two sources hold the same key, and by which ids: what is signed for one could then be
// sent to the other.
func (s *Scheme) SharesKey(other *Scheme) (id, otherID string, shared bool) {
	for _, a := range s.keys {
		for _, b := range other.keys {
			if a.material.same(b.material) {
				return a.id, b.id, true
			}
		}
	}
	return "", "", false
}
