package signature

import (
	"crypto/sha256"
	"slices"

	"github.com/doorward/doorward/shared/provider"
)

// The classes of an identity, which keep the nonces of different materials apart.
const (
	// ClassID: a signed id, wherever it stood.
	ClassID byte = 'A'
	// ClassInput: the digest of a signing input that holds a time.
	ClassInput byte = 'B'
	// ClassBody: the digest of a signing input that holds no time.
	ClassBody byte = 'C'
)

// maxID bounds a signed id that is used as one, in bytes.
const maxID = 256

// Coverage says what the signature protects, as computed from the signed content.
type Coverage struct {
	Body      bool
	Timestamp bool
	// ID: a candidate for the event's id is signed.
	ID bool
	// Type: whatever the event's type is made of is signed.
	Type bool
}

// Identity is what makes a verified request the same as another, or a new one.
type Identity struct {
	// ID is the sender's id of the delivery, "" if there is none.
	ID string
	// Signed says whether the signature covers ID. An unsigned one is a label, never a nonce.
	Signed bool
	// Class and Material are what the caller keys a nonce from.
	Class    byte
	Material []byte
}

// Coverage says what the signature protects.
func (s *Scheme) Coverage() Coverage { return s.coverage }

func (s *Scheme) cover(v *provider.Variant) {
	covers := func(t provider.Term) bool { return t.Kind == provider.Lit || s.covered(t) }
	all := func(t provider.Template) bool {
		return !slices.ContainsFunc(t, func(x provider.Term) bool { return !covers(x) })
	}
	s.coverage = Coverage{
		Body:      slices.Contains(v.Content, provider.Term{Kind: provider.Body}),
		Timestamp: slices.Contains(v.Content, provider.Term{Kind: provider.TS}),
		ID:        slices.ContainsFunc(v.Event.ID, s.covered),
		Type:      len(v.Event.Type) > 0 && !slices.ContainsFunc(v.Event.Type, func(t provider.Template) bool { return !all(t) }),
	}
	s.digestTag = ClassBody
	if s.coverage.Timestamp {
		s.digestTag = ClassInput
	}
}

// covered says whether the signed content holds the value that a term reads.
func (s *Scheme) covered(t provider.Term) bool {
	want := segment{kind: segBody}
	if t.Kind == provider.Header {
		slot := s.slot(t)
		if slot < 0 {
			return false
		}
		want = segment{kind: segValue, slot: uint8(slot)}
	}
	return slices.Contains(s.content, want)
}

// Identity finishes a proof once the body has been decoded. lookup returns a string or number of the JSON body by
// its dotted path; nil says that the body is not JSON. The signed id is the material if there is one, so that a
// sender's repeat with a new time is the same event; else the digest of what was signed.
func (s *Scheme) Identity(p *Proof, lookup func(path string) (string, bool)) Identity {
	var label string
	for _, t := range s.event.ID {
		id, ok := value(p.request, t, lookup)
		if !ok {
			continue
		}
		if s.covered(t) {
			return Identity{ID: id, Signed: true, Class: ClassID, Material: []byte(id)}
		}
		if label == "" {
			label = id
		}
	}
	digest := s.digest(p.request)
	return Identity{ID: label, Class: s.digestTag, Material: digest[:]}
}

func value(r *Request, t provider.Term, lookup func(string) (string, bool)) (string, bool) {
	id, ok := "", false
	switch {
	case t.Kind == provider.Header:
		i := slices.IndexFunc(r.Header, func(f Field) bool { return f.Name == t.Arg })
		if ok = i >= 0; ok {
			id = r.Header[i].Value
		}
	case lookup != nil:
		id, ok = lookup(t.Arg)
	}
	return id, ok && id != "" && len(id) <= maxID
}

// digest is the SHA-256 of the signing input; the request has been read before.
func (s *Scheme) digest(r *Request) (sum [sha256.Size]byte) {
	w := s.pool.Get().(*work)
	defer s.release(w)
	s.read(w, r)
	h := sha256.New()
	w.text = w.input.chunks(w.text, func(b []byte) { h.Write(b) })
	h.Sum(sum[:0])
	return sum
}
