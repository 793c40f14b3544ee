package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultTimeout bounds a request that sets none.
	DefaultTimeout = 10 * time.Second
	// MaxBody is how much of an answer's body is read, in bytes.
	MaxBody = 64 << 10
)

// Request is one outbound request.
type Request struct {
	// Method is GET when empty.
	Method string
	URL    string
	Header http.Header
	Body   []byte
	// Timeout covers everything from the lookup to the answer's last byte; 0 means DefaultTimeout.
	Timeout time.Duration
}

func (q Request) timeout() time.Duration {
	if q.Timeout > 0 {
		return q.Timeout
	}
	return DefaultTimeout
}

// build makes the request for u, the parse that was judged: a second parse could differ.
func (q Request) build(ctx context.Context, u *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, q.Method, "https://"+u.Host, bytes.NewReader(q.Body))
	if err != nil {
		return nil, fmt.Errorf("build request to %s: %w", u.Host, err)
	}
	req.URL = u
	if q.Header != nil {
		req.Header = q.Header.Clone()
	}
	return req, nil
}

// Response is the answer to a request.
type Response struct {
	Status int
	Header http.Header
	// Body is as sent, at most MaxBody bytes, never decompressed.
	Body []byte
	// Truncated says that there was more.
	Truncated bool
}

// RedirectError says that the target answered 3xx, which is never followed.
type RedirectError struct {
	Host   string
	Status int
}

// Error does not repeat where the target pointed: that is the target's text.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s answered %d: redirects are not followed", e.Host, e.Status)
}

func readResponse(host string, res *http.Response) (Response, error) {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return Response{}, &RedirectError{Host: host, Status: res.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err != nil {
		return Response{}, fmt.Errorf("read answer of %s: %w", host, cause(err))
	}
	out := Response{Status: res.StatusCode, Header: res.Header, Body: body}
	if len(body) > MaxBody {
		out.Body, out.Truncated = body[:MaxBody], true
	}
	return out, nil
}

func sendError(host string, err error) error {
	if d, ok := errors.AsType[*DeniedError](err); ok {
		return d
	}
	return fmt.Errorf("send request to %s: %w", host, cause(err))
}

// errNotHTTP stands for net/http's complaints about an answer, which quote it: an
// operator's log must not become a way to read what an internal service says.
var errNotHTTP = errors.New("the answer is not valid HTTP/1.1")

// constantErrors are texts of net/http and crypto/tls that have no type and quote nothing.
var constantErrors = []string{
	"net/http: invalid header field", // of the request
	"net/http: server response headers exceeded",
	"http: server closed idle connection",
	"http: server gave HTTP response to HTTPS client",
	"tls: server selected unsupported protocol version",
}

// cause keeps the errors that quote nothing of the answer.
func cause(err error) error {
	_, op := errors.AsType[*net.OpError](err)
	_, dns := errors.AsType[*lookupError](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	stopped := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	constant := slices.ContainsFunc(constantErrors, func(text string) bool { return strings.Contains(err.Error(), text) })
	if op || dns || cert || record || stopped || closed || constant {
		return err
	}
	return errNotHTTP
}
