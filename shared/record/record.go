// Package record is the raw record: one received HTTP request as the raw stream keeps it.
//
// The payload is the request in message/http form (RFC 9112 §2): request line with the
// target as received, Host, header lines with canonical names sorted by name, the values
// of one name in their order and byte for byte, an empty line, and the body byte for byte
// (never decompressed). It promises that Parse(Append(r)) is r, and that Parse refuses
// everything that Append cannot have written: it is read by the door that holds the keys.
package record

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Limits of a record, as the ingress enforces them before storing.
const (
	MaxHeaderBytes = 16 << 10
	MaxHeaderLines = 100
	MaxTarget      = 2 << 10
)

// Field is one header line.
type Field struct{ Name, Value string }

// Request is one received request.
type Request struct {
	Method string
	// Target is the request target exactly as received, for example "/in/github?a=b".
	Target string
	Host   string
	// Header holds the lines sorted by canonical name; lines of one name keep their order.
	Header []Field
	Body   []byte
}

const proto = " HTTP/1.1\r\n"

// FromHTTP takes what a server received. The body was read by the caller, within limits.
func FromHTTP(r *http.Request, body []byte) Request {
	out := Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: make([]Field, 0, len(r.Header)+4), Body: body}
	for name, values := range r.Header {
		for _, v := range values {
			out.Header = append(out.Header, Field{name, v})
		}
	}
	slices.SortStableFunc(out.Header, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Size is the length that Append adds, in bytes.
func (r *Request) Size() int {
	n := len(r.Method) + 1 + len(r.Target) + len(proto) + len("Host: \r\n") + len(r.Host) + 2 + len(r.Body)
	for _, f := range r.Header {
		n += len(f.Name) + len(f.Value) + 4
	}
	return n
}

// Append writes the record to dst.
func (r *Request) Append(dst []byte) []byte {
	dst = slices.Grow(dst, r.Size())
	dst = append(append(append(append(dst, r.Method...), ' '), r.Target...), proto...)
	dst = append(append(append(dst, "Host: "...), r.Host...), "\r\n"...)
	for _, f := range r.Header {
		dst = append(append(append(append(dst, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	return append(append(dst, "\r\n"...), r.Body...)
}

// ErrMalformed wraps every reason for which Parse refuses.
var ErrMalformed = errors.New("malformed raw record")

// Parse reads a record. The result's strings are copies; Body aliases data.
func Parse(data []byte) (Request, error) {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		return Request{}, fmt.Errorf("%w: no end of header", ErrMalformed)
	}
	if len(head) > MaxHeaderBytes+MaxTarget+512 {
		return Request{}, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(head))
	}
	line, rest, _ := strings.Cut(string(head), "\r\n")
	r := Request{Body: body}
	if err := r.parseRequestLine(line); err != nil {
		return Request{}, err
	}
	host, rest, _ := strings.Cut(rest, "\r\n")
	if r.Host, ok = strings.CutPrefix(host, "Host: "); !ok || !validValue(r.Host) {
		return Request{}, fmt.Errorf("%w: no host line", ErrMalformed)
	}
	return r, r.parseHeader(rest)
}

func (r *Request) parseRequestLine(line string) error {
	line, ok := strings.CutSuffix(line, proto[:len(proto)-2])
	if !ok {
		return fmt.Errorf("%w: request line", ErrMalformed)
	}
	r.Method, r.Target, ok = strings.Cut(line, " ")
	if !ok || !validName(r.Method) || r.Target == "" || len(r.Target) > MaxTarget || !printable(r.Target) {
		return fmt.Errorf("%w: request line", ErrMalformed)
	}
	return nil
}

func (r *Request) parseHeader(rest string) error {
	if rest == "" {
		return nil
	}
	r.Header = make([]Field, 0, strings.Count(rest, "\r\n")+1)
	for more := true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ": ")
		if !ok || !validName(name) || textproto.CanonicalMIMEHeaderKey(name) != name || !validValue(value) {
			return fmt.Errorf("%w: header line", ErrMalformed)
		}
		if n := len(r.Header); n > 0 && r.Header[n-1].Name > name {
			return fmt.Errorf("%w: header lines out of order", ErrMalformed)
		}
		r.Header = append(r.Header, Field{name, value})
	}
	if len(r.Header) > MaxHeaderLines {
		return fmt.Errorf("%w: %d header lines", ErrMalformed, len(r.Header))
	}
	return nil
}

// Value is the single value of a header; ok is false when the header is absent or has
// more than one line. name must be canonical.
func (r *Request) Value(name string) (value string, ok bool) {
	for i, f := range r.Header {
		if f.Name == name {
			single := i+1 == len(r.Header) || r.Header[i+1].Name != name
			return f.Value, single
		}
	}
	return "", false
}

// validName says whether s is a token (RFC 9110 §5.6.2).
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// validValue says whether s is a field value: no control bytes but tab; 0x80–0xFF are kept as they are.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
