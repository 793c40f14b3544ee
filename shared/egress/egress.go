// Package egress is the one HTTP client through which everything outbound goes.
//
// It promises that no request reaches an address that the policy does not allow.
// Names and URLs are judged first, then every address that a name resolves to, and
// once more the address about to be connected, in the dialer's Control function, so
// that no second lookup, redirect or proxy comes between the decision and the
// connection. By default that leaves https on port 443 of public addresses. Answers
// are bounded in time and size, are never decompressed and are never followed elsewhere.
package egress

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"sync/atomic"
)

// DeniedError says that policy refuses a target. Trying again does not help; callers
// record it as outcome.EgressDenied. Why may name an internal address: it is for operators.
type DeniedError struct {
	// Host is the host of the URL, with its port if it has one; "" when no host could be read.
	Host string
	// Why is a clause that continues "denied".
	Why string
}

// Error is one line for operators.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("egress to %q denied: %s", e.Host, e.Why)
}

// Lookup finds the addresses of a name. It is asked once for each connection.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// Settings are what code passes beside the policy. The zero value is what production uses.
type Settings struct {
	// Roots verify servers; nil means the system's. There is no way to skip verification.
	Roots *x509.CertPool
	// Lookup replaces the Go resolver, which is asked for rooted names only and so
	// never tries search domains.
	Lookup Lookup

	// beforeConnect sees what Control has let through. Tests stop a connection here,
	// so that not even a broken policy makes them leave loopback.
	beforeConnect func(netip.AddrPort) error
}

// Client sends requests under a policy that can be swapped. It is safe for concurrent use.
type Client struct {
	settings Settings
	current  atomic.Pointer[pool]
}

// New makes a client. It fails when the policy is not valid.
func New(p Policy, s Settings) (*Client, error) {
	if s.Lookup == nil {
		s.Lookup = lookupRooted
	}
	c := &Client{settings: s}
	if err := c.Swap(p); err != nil {
		return nil, err
	}
	return c, nil
}

// Swap replaces the policy. Requests that begin afterwards use neither the old policy
// nor a connection made under it; requests under way finish, and their connections are
// then closed. When p is not valid, Swap fails and the policy stays as it was.
func (c *Client) Swap(p Policy) error {
	r, err := newRules(p)
	if err != nil {
		return err
	}
	if old := c.current.Swap(newPool(r, c.settings)); old != nil {
		old.close()
	}
	return nil
}

// Close drops idle connections. The client may still be used.
func (c *Client) Close() { c.current.Load().close() }

// Do sends q and reads the answer within q.Timeout, lookup, connection and body included.
//
// The errors are *DeniedError when policy refuses the target, *RedirectError when it
// answers 3xx, an error that is context.DeadlineExceeded when time ran out, and otherwise what the
// network, TLS or HTTP met. Any other status is an answer. No error repeats the URL's path or query.
func (c *Client) Do(ctx context.Context, q Request) (Response, error) {
	p := c.current.Load()
	u, err := p.rules.check(q.URL)
	if err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout())
	defer cancel()
	req, err := q.build(ctx, u)
	if err != nil {
		return Response{}, err
	}
	res, err := p.transports[u.Scheme].RoundTrip(req)
	if err != nil {
		return Response{}, sendError(u.Host, err)
	}
	defer res.Body.Close()
	return readResponse(u.Host, res)
}
