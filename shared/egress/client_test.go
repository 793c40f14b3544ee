package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAnswersOfResolvers(t *testing.T) {
	many := make([]netip.Addr, maxAnswers+1)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{8, 8, 8, byte(i)})
	}
	z := zone{
		"mixed.example":    addrs("8.8.8.8", "10.0.0.1"),
		"mixed6.example":   addrs("8.8.8.8", "::1"),
		"internal.example": addrs("192.168.0.1"),
		"aaaa.example":     addrs("fd00::1"),
		"mapped.example":   addrs("::ffff:127.0.0.1"),
		"zoned.example":    addrs("2606:4700::1111%eth0"),
		"many.example":     many,
		"good.example":     addrs("8.8.8.8"),
		"good4in6.example": addrs("::ffff:8.8.8.8"),
		"good6.example":    addrs("2606:4700::1111"),
		"full.example":     many[:maxAnswers],
	}
	c, w := sealed(t, Policy{}, z)
	for _, name := range []string{"mixed", "mixed6", "internal", "aaaa", "mapped", "zoned", "many"} {
		t.Run("F10 "+name, func(t *testing.T) { wantDenied(t, c, w, "https://"+name+".example/") })
	}
	wantDialed(t, c, w, "https://good.example/", "8.8.8.8:443")
	wantDialed(t, c, w, "https://good4in6.example/", "8.8.8.8:443")
	wantDialed(t, c, w, "https://good6.example/", "[2606:4700::1111]:443")
	wantDialed(t, c, w, "https://full.example/", "8.8.8.0:443", "8.8.8.1:443", "8.8.8.2:443")
}

func TestNoAnswerIsNoDenial(t *testing.T) {
	c, w := sealed(t, Policy{}, zone{"empty.example": {}})
	for _, name := range []string{"missing.example", "empty.example"} {
		_, err := c.Do(t.Context(), Request{URL: "https://" + name + "/"})
		if err == nil || isDenied(err) || !strings.Contains(err.Error(), "look up "+name) || len(w.take()) > 0 {
			t.Errorf("F10 Do(%s) = %v, want a failure that may be tried again", name, err)
		}
	}
}

func TestRebinding(t *testing.T) {
	lookups := 0
	w := &wire{}
	c := open(t, Policy{}, Settings{beforeConnect: w.seal, Lookup: func(context.Context, string) ([]netip.Addr, error) {
		lookups++
		return addrs([]string{"8.8.8.8", "127.0.0.1"}[(lookups-1)%2]), nil
	}})
	wantDialed(t, c, w, "https://rebind.example/", "8.8.8.8:443")
	if lookups != 1 {
		t.Errorf("F10 one connection took %d lookups", lookups)
	}
	wantDenied(t, c, w, "https://rebind.example/")
}

// TestControlStandsAlone calls the hook as the dialer would if everything before it had failed.
func TestControlStandsAlone(t *testing.T) {
	r, err := newRules(Policy{AllowPrivate: prefixes("10.0.0.0/8"), AllowHTTP: true, Deny: prefixes("10.0.0.7/32")})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		scheme, network, address string
		denied                   bool
	}{
		{"https", "tcp4", "8.8.8.8:443", false},
		{"https", "tcp6", "[2606:4700::1111]:443", false},
		{"http", "tcp4", "10.0.0.1:443", false},
		{"http", "tcp4", "8.8.8.8:443", true},
		{"https", "tcp4", "10.0.0.7:443", true},
		{"https", "tcp4", "127.0.0.1:443", true},
		{"https", "tcp6", "[fe80::1%lo]:443", true},
		{"https", "tcp6", "[::ffff:8.8.8.8]:443", true},
		{"https", "tcp4", "168.63.129.16:443", true},
		{"https", "tcp4", "8.8.8.8:80", true},
		{"https", "udp4", "8.8.8.8:443", true},
		{"https", "unix", "/var/run/docker.sock", true},
	}
	for _, tt := range tests {
		d := &dialer{rules: r, scheme: tt.scheme}
		if err := d.control(tt.network, tt.address, nil); isDenied(err) != tt.denied || err != nil && !tt.denied {
			t.Errorf("control(%s %s %s) = %v, want denied: %t", tt.scheme, tt.network, tt.address, err, tt.denied)
		}
	}
}

// TestDialerStandsAlone gives the dialer names that the URL's check would have refused.
func TestDialerStandsAlone(t *testing.T) {
	r, err := newRules(Policy{})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	d := &dialer{rules: r, scheme: "https", settings: Settings{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		asked++
		return addrs("8.8.8.8"), nil
	}}}
	for _, host := range []string{"localhost", "127.1", "kubernetes", "vault.internal", "①.example", "127.0.0.1", "::1", "fe80::1%lo"} {
		if _, err := d.resolve(t.Context(), host); !isDenied(err) || asked > 0 {
			t.Errorf("resolve(%q) = %v after %d lookups, want a DeniedError", host, err, asked)
		}
	}
	if _, err := d.resolve(t.Context(), "good.com"); err != nil || asked != 1 {
		t.Errorf("resolve(good.com) = %v after %d lookups", err, asked)
	}
}

// TestPolicyIsCopied: what the caller does with its slices afterwards changes nothing.
func TestPolicyIsCopied(t *testing.T) {
	p := Policy{AllowPrivate: prefixes("10.0.0.0/8"), Ports: []int{443}, AllowHTTP: true, Deny: prefixes("10.0.0.7/32")}
	c, w := sealed(t, p, nil)
	p.AllowPrivate[0], p.Ports[0], p.Deny[0] = prefixes("127.0.0.0/8")[0], 22, prefixes("10.0.0.8/32")[0]
	wantDialed(t, c, w, "http://10.0.0.8:443/", "10.0.0.8:443")
	wantDenied(t, c, w, "https://10.0.0.7/")
	wantDenied(t, c, w, "https://127.0.0.1/")
}

func TestRedirects(t *testing.T) {
	places := []string{"/elsewhere", "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "://unparsable", ""}
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		for _, place := range places {
			t.Run(fmt.Sprintf("F12 %d %q", status, place), func(t *testing.T) { redirect(t, status, place) })
		}
	}
}

func redirect(t *testing.T, status int, place string) {
	requests := 0
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Location", place)
		w.WriteHeader(status)
	}))
	w := &wire{}
	c := open(t, p, Settings{beforeConnect: w.count})
	_, err := c.Do(t.Context(), Request{Method: "POST", URL: s.URL, Body: []byte("event")})
	if got, ok := errors.AsType[*RedirectError](err); !ok || got.Status != status || strings.Contains(err.Error(), "169.254") {
		t.Errorf("Do = %v, want a RedirectError of %d", err, status)
	}
	if requests != 1 || len(w.take()) != 1 {
		t.Errorf("the redirect to %q was followed", place)
	}
}

func TestProxyIsIgnored(t *testing.T) {
	c, w := sealed(t, Policy{}, nil)
	wantDialed(t, c, w, "https://8.8.8.8/", "8.8.8.8:443") // F16, see TestMain
}

func TestExchange(t *testing.T) {
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.URL, r.Header.Get("Webhook-Id"), body)
	}))
	c := open(t, p, Settings{})
	h := http.Header{"Webhook-Id": {"id-1"}}
	got, err := c.Do(t.Context(), Request{Method: "POST", URL: s.URL + "/a%2Fb?c", Header: h, Body: []byte("event")})
	want := "POST " + strings.TrimPrefix(s.URL, "http://") + " /a%2Fb?c id-1 event"
	if err != nil || string(got.Body) != want || got.Status != 503 || got.Header.Get("Retry-After") != "7" || got.Truncated {
		t.Errorf("Do = %+v, %v, want body %q", got, err, want)
	}
}

func TestNoCookies(t *testing.T) {
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		fmt.Fprint(w, len(r.Cookies()))
	}))
	c := open(t, p, Settings{})
	for range 2 {
		if got, err := c.Do(t.Context(), Request{URL: s.URL}); err != nil || string(got.Body) != "0" {
			t.Errorf("Do = %+v, %v, want no cookie", got, err)
		}
	}
}

// countConnections counts what a server accepts.
func countConnections(t *testing.T, h http.Handler) (*httptest.Server, Policy, func() int) {
	t.Helper()
	accepted := make(chan struct{}, 100)
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, loopbackPolicy(t, s.URL), func() int { return len(accepted) }
}

func TestSwap(t *testing.T) {
	s, p, connections := countConnections(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	c := open(t, p, Settings{})
	do := func() error { _, err := c.Do(t.Context(), Request{URL: s.URL}); return err }
	if err := errors.Join(do(), do()); err != nil || connections() != 1 {
		t.Fatalf("two requests made %d connections: %v", connections(), err)
	}
	stricter := p
	stricter.AllowPrivate = prefixes("127.0.0.2/32")
	if err := c.Swap(stricter); err != nil {
		t.Fatal(err)
	}
	if err := do(); !isDenied(err) {
		t.Errorf("F18 Do after a stricter policy = %v, want a DeniedError", err)
	}
	if err := c.Swap(Policy{Ports: []int{-1}}); err == nil || !isDenied(do()) {
		t.Errorf("Swap to an invalid policy = %v, and the policy before it is gone", err)
	}
	if err := errors.Join(c.Swap(p), do()); err != nil || connections() != 2 {
		t.Errorf("F18 %d connections after swapping back, want 2: %v", connections(), err)
	}
}

// TestSwapUnderWay: a connection in use when the policy changes is closed afterwards, not kept.
func TestSwapUnderWay(t *testing.T) {
	begun, release, closed := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := loopbackPolicy(t, s.URL)
	c := open(t, p, Settings{})
	done := make(chan error)
	go func() {
		_, err := c.Do(t.Context(), Request{URL: s.URL})
		done <- err
	}()
	<-begun
	swapped := c.Swap(p)
	close(release)
	if err := errors.Join(swapped, <-done); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("F18 the connection of the old policy is still open")
	}
}

func TestHTTP1Only(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h2="8.8.8.8:443"; ma=86400`)
		fmt.Fprint(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	w := &wire{}
	c := open(t, loopbackPolicy(t, s.URL), Settings{Roots: roots(s), beforeConnect: w.count})
	for range 2 {
		if got, err := c.Do(t.Context(), Request{URL: s.URL}); err != nil || string(got.Body) != "HTTP/1.1" {
			t.Errorf("F19 Do = %+v, %v, want HTTP/1.1", got, err)
		}
	}
	if got := w.take(); len(got) != 1 || !got[0].Addr().IsLoopback() {
		t.Errorf("F19 dialled %v", got)
	}
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// quiet keeps a server's complaints about failed handshakes out of the test's output.
func quiet(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = nullLogger
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestCertificatesAreVerified(t *testing.T) {
	s := quiet(t)
	u, _ := url.Parse(s.URL)
	z := zone{"example.com": addrs("127.0.0.1"), "other.test": addrs("127.0.0.1")} // the certificate is for example.com
	tests := []struct {
		host  string
		roots *x509.CertPool
		ok    bool
	}{{"example.com", roots(s), true}, {"127.0.0.1", roots(s), true}, {"other.test", roots(s), false}, {"example.com", x509.NewCertPool(), false}, {"example.com", nil, false}}
	for _, tt := range tests {
		c := open(t, loopbackPolicy(t, s.URL), Settings{Roots: tt.roots, Lookup: z.lookup})
		_, err := c.Do(t.Context(), Request{URL: "https://" + tt.host + ":" + u.Port()})
		if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused == tt.ok || tt.ok && err != nil {
			t.Errorf("Do(%s) with roots %t = %v, want success: %t", tt.host, tt.roots != nil, err, tt.ok)
		}
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }))
	c := open(t, p, Settings{})
	for _, rawURL := range []string{s.URL + "/hunter2?hunter2", "https://10.0.0.1/hunter2", "https://good.com:1/hunter2", "https://u:hunter2@good.com/",
		"https://u:hunter2@good.com\\/", "https:hunter2", "https://good.com/\x00hunter2", "https://good.com/hunter2#"} {
		_, err := c.Do(t.Context(), Request{URL: rawURL})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Do = %v, want an error without the path", err)
		}
	}
}
