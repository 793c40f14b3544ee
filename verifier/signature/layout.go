package signature

import (
	"strings"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// layout takes a signature header's value apart, and puts one together.
type layout struct {
	prefix string
	items  bool
	split  byte
	pair   byte
	tag    string
	trim   bool
	reads  []read // those with a tag are items of this header
	enc    encoding
	size   int // bytes of a decoded signature
}

// signatures are the decoded signatures of one request.
type signatures struct {
	n      int // decoded
	tagged int // items with the pinned tag, decoded or not
	size   int
	room   [maxSignatures][maxSize]byte
}

func (s *signatures) at(i int) []byte { return s.room[i][:s.size] }

// add decodes one more; false if it can't be decoded, or there is no room.
func (s *signatures) add(text string, enc encoding) bool {
	if s.n == maxSignatures || !enc.decode(s.at(s.n), text) {
		return false
	}
	s.n++
	return true
}

func compileLayout(v *provider.Variant, reads []read) layout {
	p := v.Signature.Parse
	l := layout{
		prefix: p.Prefix, items: p.Kind == "items", tag: p.Tag, trim: p.Trim, reads: reads,
		enc: encodings[v.Signature.Encoding], size: provider.Algorithms[v.Algorithm],
	}
	if l.items {
		l.split, l.pair = p.Split[0], p.Pair[0]
	}
	return l
}

// parse decodes the pinned signatures of value into sigs and its other needed items into values.
func (l *layout) parse(value string, values *[maxReads]string, sigs *signatures) *Refusal {
	sigs.n, sigs.tagged, sigs.size = 0, 0, l.size
	if l.items {
		return l.parseItems(value, values, sigs)
	}
	text, ok := strings.CutPrefix(value, l.prefix)
	if !ok || !sigs.add(text, l.enc) {
		return refuse(outcome.MalformedSignature, "the signature has the wrong prefix, length or alphabet")
	}
	return nil
}

func (l *layout) parseItems(value string, values *[maxReads]string, sigs *signatures) *Refusal {
	for range maxItems {
		at := strings.IndexByte(value, l.split)
		item := value
		if at >= 0 {
			item, value = value[:at], value[at+1:]
		}
		if ref := l.item(item, values, sigs); ref != nil {
			return ref
		}
		if at < 0 {
			return sigs.complete()
		}
	}
	return refuse(outcome.MalformedSignature, "the signature header has too many items")
}

func (l *layout) item(item string, values *[maxReads]string, sigs *signatures) *Refusal {
	if l.trim {
		item = strings.Trim(item, " ")
	}
	at := strings.IndexByte(item, l.pair)
	if at <= 0 || at == len(item)-1 {
		return refuse(outcome.MalformedSignature, "an item of the signature header lacks its tag or value")
	}
	tag, text := item[:at], item[at+1:]
	if tag == l.tag {
		sigs.tagged++
		if !sigs.add(text, l.enc) && sigs.n == maxSignatures {
			return refuse(outcome.MalformedSignature, "the signature header has too many signatures")
		}
		return nil // one that can't be decoded can't match either; the vendors' libraries pass it over too
	}
	for slot := range l.reads {
		if l.reads[slot].tag != tag {
			continue
		}
		if values[slot] != "" {
			return refuse(outcome.MalformedSignature, "an item of the signature header is there twice")
		}
		values[slot] = text
	}
	return nil
}

func (s *signatures) complete() *Refusal {
	switch {
	case s.tagged == 0:
		return refuse(outcome.WrongAlgorithm, "no item of the signature header has the pinned tag")
	case s.n == 0:
		return refuse(outcome.MalformedSignature, "no signature has the right length and alphabet")
	}
	return nil
}

// format writes the header's value for one signature.
func (l *layout) format(sig []byte, values *[maxReads]string) string {
	text := l.enc.encode(sig)
	if !l.items {
		return l.prefix + text
	}
	var b strings.Builder
	for slot, r := range l.reads {
		if r.tag != "" {
			b.WriteString(r.tag + string(l.pair) + values[slot] + string(l.split))
		}
	}
	b.WriteString(l.tag + string(l.pair) + text)
	return b.String()
}
