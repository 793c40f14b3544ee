package egress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// TestMain sets a proxy for every test (F16). net/http reads the environment once, so
// setting it in one test would prove nothing.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if err := os.Setenv(name, "http://8.8.4.4:3128"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// errSealed ends a connection that policy has allowed, before a packet leaves.
var errSealed = errors.New("sealed by the test")

// wire is what would have left: the canary of every denial.
type wire struct {
	mu     sync.Mutex
	dialed []netip.AddrPort
}

func (w *wire) seal(ap netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialed = append(w.dialed, ap)
	return errSealed
}

// count lets loopback connections through and records them.
func (w *wire) count(ap netip.AddrPort) error {
	if err := w.seal(ap); !ap.Addr().IsLoopback() {
		return err
	}
	return nil
}

func (w *wire) take() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.dialed
	w.dialed = nil
	return out
}

// zone is a resolver's whole knowledge.
type zone map[string][]netip.Addr

func (z zone) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	if addrs, ok := z[name]; ok {
		return slices.Clone(addrs), nil
	}
	return nil, errors.New("no such host")
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// sealed is a client from which nothing leaves.
func sealed(t *testing.T, p Policy, z zone) (*Client, *wire) {
	t.Helper()
	w := &wire{}
	return open(t, p, Settings{Lookup: z.lookup, beforeConnect: w.seal}), w
}

func open(t *testing.T, p Policy, s Settings) *Client {
	t.Helper()
	c, err := New(p, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func isDenied(err error) bool {
	_, ok := errors.AsType[*DeniedError](err)
	return ok
}

// wantDenied sends to rawURL and fails unless it is denied and nothing left.
func wantDenied(t *testing.T, c *Client, w *wire, rawURL string) {
	t.Helper()
	_, err := c.Do(t.Context(), Request{URL: rawURL})
	if !isDenied(err) {
		t.Errorf("Do(%q) = %v, want a DeniedError", rawURL, err)
	}
	if got := w.take(); len(got) > 0 {
		t.Errorf("Do(%q) dialled %v", rawURL, got)
	}
}

// wantDialed sends to rawURL and fails unless just want would have been connected.
func wantDialed(t *testing.T, c *Client, w *wire, rawURL string, want ...string) {
	t.Helper()
	_, err := c.Do(t.Context(), Request{URL: rawURL})
	if !errors.Is(err, errSealed) {
		t.Errorf("Do(%q) = %v, want the seal", rawURL, err)
	}
	var got []string
	for _, ap := range w.take() {
		got = append(got, ap.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("Do(%q) dialled %v, want %v", rawURL, got, want)
	}
}

// serve starts a loopback server and the policy that reaches it.
func serve(t *testing.T, h http.Handler) (*httptest.Server, Policy) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s, loopbackPolicy(t, s.URL)
}

func loopbackPolicy(t *testing.T, rawURL string) Policy {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return Policy{AllowPrivate: prefixes("127.0.0.0/8"), Ports: []int{port}, AllowHTTP: true}
}
