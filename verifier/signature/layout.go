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
	n    int
	size int
	at   [maxSignatures][maxSize]byte
}

func (s *signatures) list(i int) []byte { return s.at[i][:s.size] }

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
	sigs.n, sigs.size = 0, l.size
	if l.items {
		return l.parseItems(value, values, sigs)
	}
	text, ok := strings.CutPrefix(value, l.prefix)
	if !ok {
		return refuse(outcome.MalformedSignature, "the signature lacks its prefix")
	}
	return l.add(text, sigs)
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
			return l.complete(values, sigs)
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
		return l.add(text, sigs)
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

func (l *layout) complete(values *[maxReads]string, sigs *signatures) *Refusal {
	if sigs.n == 0 {
		return refuse(outcome.WrongAlgorithm, "no item of the signature header has the pinned tag")
	}
	for slot := range l.reads {
		if l.reads[slot].tag != "" && values[slot] == "" {
			return refuse(outcome.MalformedSignature, "the signature header lacks an item")
		}
	}
	return nil
}

func (l *layout) add(text string, sigs *signatures) *Refusal {
	if sigs.n == maxSignatures {
		return refuse(outcome.MalformedSignature, "the signature header has too many signatures")
	}
	if !l.enc.decode(sigs.at[sigs.n][:l.size], text) {
		return refuse(outcome.MalformedSignature, "a signature has the wrong length or alphabet")
	}
	sigs.n++
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
