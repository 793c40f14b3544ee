package signature

import (
	"time"

	"github.com/doorward/doorward/shared/outcome"
)

// Assurance says that the proof covers the message itself, not only its sender or its channel.
const Assurance = "message"

// Proof is what a verified request proves. It refers to the request, which must not change before Identity.
type Proof struct {
	// Scheme is Scheme.Name.
	Scheme string
	// KeyID names the key that signed.
	KeyID string
	// Assurance is what the proof covers.
	Assurance string
	// SignedAt is the signed time, zero if the scheme has none.
	SignedAt time.Time

	request *Request
}

// Verify checks one request as of its time of receipt. The error is always a *Refusal. The order is fixed:
// presence and shape, signature, validity of the key that signed, freshness; so that only a key's holder learns
// that a key or a time is out of date.
func (s *Scheme) Verify(r *Request, receivedAt time.Time) (Proof, error) {
	w := s.pool.Get().(*work)
	defer s.release(w)
	if ref := s.read(w, r); ref != nil {
		return Proof{}, ref
	}
	k, ref := s.authenticate(w, receivedAt)
	if ref != nil {
		return Proof{}, ref
	}
	p := Proof{Scheme: s.name, KeyID: k.id, Assurance: Assurance, request: r}
	if s.clock != nil {
		p.SignedAt, _ = s.clock.parse(w.values[s.clock.slot]) // read has checked it
		if ref := s.clock.judge(p.SignedAt, receivedAt); ref != nil {
			return Proof{}, ref
		}
	}
	return p, nil
}

func (s *Scheme) release(w *work) {
	w.values, w.input = [maxReads]string{}, input{} // hold on to no request
	s.pool.Put(w)
}

// read fills in the plan's values, each of which must be there once and in shape.
func (s *Scheme) read(w *work, r *Request) *Refusal {
	if ref := s.collect(w, r.Header); ref != nil {
		return ref
	}
	for slot := range s.reads {
		shape := &s.reads[slot].shape
		if shape.Name != "" && w.values[slot] == "" {
			return refuse(outcome.NoSignature, "header "+shape.Name+" is missing or empty")
		}
		if shape.Name != "" && !shape.Accepts(w.values[slot]) {
			return refuse(outcome.MalformedSignature, "header "+shape.Name+" is not in shape")
		}
	}
	if ref := s.layout.parse(w.values[0], &w.values, &w.sigs); ref != nil {
		return ref
	}
	if s.clock != nil {
		if _, ok := s.clock.parse(w.values[s.clock.slot]); !ok {
			return refuse(outcome.MalformedSignature, "the timestamp is not in shape")
		}
	}
	w.input = input{content: s.content, values: &w.values, body: r.Body}
	return nil
}

func (s *Scheme) collect(w *work, header []Field) *Refusal {
	var seen [maxReads]bool
	for i := range header {
		for slot := range s.reads {
			if name := s.reads[slot].shape.Name; name == "" || name != header[i].Name {
				continue
			}
			if seen[slot] {
				return refuse(outcome.MalformedSignature, "header "+header[i].Name+" is there twice")
			}
			seen[slot], w.values[slot] = true, header[i].Value
		}
	}
	return nil
}

// authenticate finds a key that signed and is valid at the time of receipt. If only invalid ones signed, it says
// why they are; a revoked key speaks louder than an expired one.
func (s *Scheme) authenticate(w *work, at time.Time) (*key, *Refusal) {
	var worst *Refusal
	for i := range s.keys {
		k := &s.keys[i]
		if !k.material.proves(&w.input, &w.sigs, &w.text) {
			continue
		}
		ref := k.judge(at)
		if ref == nil {
			return k, nil
		}
		if worst == nil || ref.Reason == outcome.KeyRevoked {
			worst = ref
		}
	}
	if worst == nil {
		worst = refuse(outcome.BadSignature, "no configured key made this signature over these bytes")
	}
	return nil, worst
}
