package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// maxAnswers is how many addresses a name may have; more is no service's DNS.
	maxAnswers = 64
	// maxDials and dialTimeout keep unreachable addresses from using up a request's time.
	maxDials    = 3
	dialTimeout = 3 * time.Second
	// idleTimeout is how long a connection outlives its lookup at most, when unused.
	idleTimeout = 30 * time.Second
	// maxHeader bounds an answer's header, informational answers included.
	maxHeader = 32 << 10
)

// pool holds the connections made under one policy, by scheme. It is abandoned with it.
// Its transports are used without an http.Client, which is what would follow redirects
// and keep cookies.
type pool struct {
	rules      *rules
	transports map[string]*http.Transport
}

func newPool(r *rules, s Settings) *pool {
	p := &pool{rules: r, transports: map[string]*http.Transport{}}
	for _, scheme := range []string{"https", "http"} {
		d := &dialer{rules: r, scheme: scheme, settings: s}
		p.transports[scheme] = d.transport()
	}
	return p
}

func (p *pool) close() {
	for _, t := range p.transports {
		t.CloseIdleConnections()
	}
}

// dialer connects for one scheme under one policy.
type dialer struct {
	rules    *rules
	scheme   string
	settings Settings
}

// transport speaks HTTP/1.1 only: no coalescing of connections, no second flow control
// to bound. Proxy stays nil: behind a proxy, Control would judge the proxy's address.
func (d *dialer) transport() *http.Transport {
	var only1 http.Protocols
	only1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            d.dial,
		Protocols:              &only1,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.settings.Roots},
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idleTimeout,
	}
}

// dial resolves once, judges every answer, and connects to the first that is reachable.
func (d *dialer) dial(ctx context.Context, _, hostPort string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, fmt.Errorf("split %q: %w", hostPort, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("read the port of %q: %w", hostPort, err)
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return d.connect(ctx, addrs, uint16(port))
}

// resolve returns addresses that are all allowed. One that is not denies the name: who
// mixes internal addresses into an answer is not to be trusted with the others.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := d.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addrs) > maxAnswers {
		return nil, denied(host, fmt.Sprintf("it has more than %d addresses", maxAnswers))
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap() // resolvers give IPv4 in either form
		if why := d.rules.classifyFor(d.scheme, addrs[i]); why != "" {
			return nil, denied(host, fmt.Sprintf("%s is %s", addrs[i], why))
		}
	}
	return addrs, nil
}

func (d *dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	name := strings.ToLower(host)
	if name == "localhost" {
		if addrs := d.rules.loopback(d.scheme); len(addrs) > 0 {
			return addrs, nil
		}
	}
	// net/http may have rewritten the name since check saw it.
	if why := refuseName(name); why != "" {
		return nil, denied(host, why)
	}
	addrs, err := d.settings.Lookup(ctx, name)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no addresses")
	}
	if err != nil {
		return nil, &lookupError{name: name, err: err}
	}
	return addrs, nil
}

// lookupError says that a name has no addresses now. That is no denial: it may have some later.
type lookupError struct {
	name string
	err  error
}

func (e *lookupError) Error() string { return "look up " + e.name + ": " + e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }

func (d *dialer) connect(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout, Control: d.control}
	var errs []error
	for _, a := range addrs[:min(len(addrs), maxDials)] {
		conn, err := nd.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// control is the last word: it sees the very address that connect(2) will get.
func (d *dialer) control(network, address string, c syscall.RawConn) error {
	if err := d.rules.guard.Safe(network, address, c); err != nil {
		return denied(address, err.Error())
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return denied(address, "not an address")
	}
	if why := d.rules.classifyFor(d.scheme, ap.Addr()); why != "" {
		return denied(address, why)
	}
	if d.settings.beforeConnect != nil {
		return d.settings.beforeConnect(ap)
	}
	return nil
}

// lookupRooted asks the Go resolver. The dot at the end keeps search domains out: with
// Kubernetes' ndots:5 any name with few dots would first be tried inside the cluster.
func lookupRooted(ctx context.Context, name string) ([]netip.Addr, error) {
	resolver := net.Resolver{PreferGo: true}
	return resolver.LookupNetIP(ctx, "ip", name+".")
}
