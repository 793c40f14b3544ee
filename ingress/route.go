package ingress

import (
	"net/http"
	"net/netip"

	"github.com/doorward/doorward/shared/record"
)

// maxHeaderBytes is what a request's header may take, in bytes; net/http itself cuts off
// 4 KiB later.
const maxHeaderBytes = record.MaxHeaderBytes

const pathPrefix = "/in/"

// sourceName matches ^/in/([a-z0-9][a-z0-9-]{0,62})$ on an escaped path.
func sourceName(path string) (name string, ok bool) {
	if len(path) <= len(pathPrefix) || len(path) > len(pathPrefix)+63 || path[:len(pathPrefix)] != pathPrefix {
		return "", false
	}
	name = path[len(pathPrefix):]
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0) {
			return "", false
		}
	}
	return name, true
}

// arrival is a request that was let in as far as its header goes.
type arrival struct {
	source *source
	peer   netip.Addr // the zero Addr when it can't be told
}

// admit judges everything but the body. The source is set as soon as it is known, also
// beside an error.
func (p *plan) admit(r *http.Request) (a arrival, err error) {
	if len(r.RequestURI) > record.MaxTarget {
		return a, targetTooLong
	}
	name, ok := sourceName(r.URL.EscapedPath())
	if !ok {
		return a, notFound
	}
	if r.Method != http.MethodPost {
		return a, wrongMethod
	}
	if err := checkHeader(r); err != nil {
		return a, err
	}
	direct := direct(r.RemoteAddr)
	if !p.serves(r.Host, direct) {
		return a, misdirected
	}
	if a.source = p.sources[name]; a.source == nil {
		return a, notFound
	}
	a.peer = p.judge(direct, r.Header[forwardedFor])
	if !within(a.source.allow, a.peer) {
		return a, addressDenied
	}
	return a, checkFraming(r, a.source.limit)
}

// checkHeader bounds the header, so that the record of it is one that the next door reads.
func checkHeader(r *http.Request) error {
	lines, size := 0, len("Host: \r\n")+len(r.Host)
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
	}
	if lines > record.MaxHeaderLines || size > maxHeaderBytes {
		return headerTooLarge
	}
	return nil
}

// checkFraming wants the body's length told in a way that no proxy can read otherwise.
// net/http drops Transfer-Encoding from HTTP/1.0 requests unseen, so there a length is a must.
func checkFraming(r *http.Request, limit int64) error {
	switch {
	case r.ContentLength > limit:
		return bodyTooLarge
	case r.ContentLength != 0 || r.Header["Content-Length"] != nil:
		return nil
	case !r.ProtoAtLeast(1, 1):
		return malformed
	}
	return lengthRequired
}

// mustClose says whether the connection ends with this answer: with a chunked body or
// HTTP/1.0 a proxy may see another end of the request than we do, and what follows on the
// connection might be smuggled.
func mustClose(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1)
}
