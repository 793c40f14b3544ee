package signature

import (
	"fmt"

	"github.com/doorward/doorward/shared/provider"
)

// The bounds of one verification: values read from a request, signatures considered, items looked
// at, and bytes of one signature.
const (
	maxReads      = 8
	maxSignatures = 8
	maxItems      = 16
	maxSize       = 64
)

// read is one value of the request that the plan needs. Its index in Scheme.reads is its slot.
type read struct {
	shape provider.HeaderShape // of the header; Name is "" for an item of the signature header
	tag   string               // of that item
}

// segment is one piece of the signed content.
type segment struct {
	kind byte
	slot uint8
	lit  string
}

const (
	segLit byte = iota
	segValue
	segBody
)

// work is the room one verification needs, reused between requests.
type work struct {
	values [maxReads]string // by slot; slot 0 is the signature header
	sigs   signatures
	text   []byte // segments other than the body
	input  input
}

func (s *Scheme) plan(v *provider.Variant, opt Options) error {
	for _, h := range v.Shape() {
		s.reads = append(s.reads, read{shape: h})
	}
	if ts := v.Timestamp; ts != nil {
		s.clock = compileClock(ts, opt)
		if ts.From.Kind == provider.SigField {
			s.reads = append(s.reads, read{tag: ts.From.Arg})
		}
		s.clock.slot = s.slot(ts.From)
	}
	if len(s.reads) > maxReads {
		return fmt.Errorf("the content needs %d values, more than %d", len(s.reads), maxReads)
	}
	for _, t := range v.Content {
		s.content = append(s.content, s.segment(t))
	}
	s.layout = compileLayout(v, s.reads)
	return nil
}

func (s *Scheme) segment(t provider.Term) segment {
	switch t.Kind {
	case provider.Body:
		return segment{kind: segBody}
	case provider.Lit:
		return segment{kind: segLit, lit: t.Arg}
	case provider.TS:
		return segment{kind: segValue, slot: uint8(s.clock.slot)}
	}
	return segment{kind: segValue, slot: uint8(s.slot(t))}
}

// slot finds where a value of the request is kept; -1 if it is not read.
func (s *Scheme) slot(t provider.Term) int {
	for i, r := range s.reads {
		if t.Kind == provider.Header && r.shape.Name == t.Arg || t.Kind == provider.SigField && r.tag == t.Arg {
			return i
		}
	}
	return -1
}

// input is the signed content of one request, still in pieces.
type input struct {
	content []segment
	values  *[maxReads]string
	body    []byte
}

// chunks hands out the content in order, joining everything between bodies in text, which it returns for reuse.
func (in *input) chunks(text []byte, write func([]byte)) []byte {
	text = text[:0]
	for _, seg := range in.content {
		switch seg.kind {
		case segLit:
			text = append(text, seg.lit...)
		case segValue:
			text = append(text, in.values[seg.slot]...)
		case segBody:
			write(text)
			write(in.body)
			text = text[:0]
		}
	}
	write(text)
	return text
}
