package signature

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorward/doorward/shared/provider"
)

// Sign adds to r the headers that the sender would, replacing those that are there. The key "" means the first that is
// valid at that time. The id goes into the headers that the scheme reads an id from; where that is the body, it is
// not used. Other headers that the scheme signs must be in r.
func (s *Scheme) Sign(r *Request, key string, at time.Time, id string) error {
	k, err := s.signer(key, at)
	if err != nil {
		return fmt.Errorf("sign as %s: %w", s.name, err)
	}
	for _, t := range s.event.ID {
		if t.Kind == provider.Header && id != "" {
			r.set(t.Arg, id)
		}
	}
	var values [maxReads]string
	if err := s.fill(&values, r, at); err != nil {
		return fmt.Errorf("sign as %s: %w", s.name, err)
	}
	sig, err := k.material.sign(&input{content: s.content, values: &values, body: r.Body})
	if err != nil {
		return fmt.Errorf("sign as %s with key %q: %w", s.name, k.id, err)
	}
	r.set(s.reads[0].shape.Name, s.layout.format(sig, &values))
	return nil
}

func (s *Scheme) signer(id string, at time.Time) (*key, error) {
	for i := range s.keys {
		k := &s.keys[i]
		if k.id == id || id == "" && k.judge(at) == nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no key %q", id)
}

// fill sets the time and collects what else is signed.
func (s *Scheme) fill(values *[maxReads]string, r *Request, at time.Time) error {
	if s.clock != nil {
		text := s.clock.format(at)
		if _, ok := s.clock.parse(text); !ok {
			return errors.New("the time is outside what the scheme can write")
		}
		values[s.clock.slot] = text
		if name := s.reads[s.clock.slot].shape.Name; name != "" {
			r.set(name, text)
		}
	}
	for slot, read := range s.reads[1:] {
		name := read.shape.Name
		if name == "" {
			continue
		}
		i := slices.IndexFunc(r.Header, func(f Field) bool { return f.Name == name })
		if i < 0 || !read.shape.Accepts(r.Header[i].Value) {
			return fmt.Errorf("header %s is missing or not in shape", name)
		}
		values[slot+1] = r.Header[i].Value
	}
	return nil
}

// set replaces every line of a name by one.
func (r *Request) set(name, value string) {
	r.Header = slices.DeleteFunc(r.Header, func(f Field) bool { return f.Name == name })
	r.Header = append(r.Header, Field{name, value})
}
