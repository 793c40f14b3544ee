package ingress

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/record"
	"github.com/prometheus/client_golang/prometheus"
)

// plan is everything a request needs of the configuration. It never changes: a reload swaps it.
type plan struct {
	listen  string
	hosts   []string // what Host may be, in lower case; nil accepts any
	proxies []netip.Prefix
	sources map[string]*source // without the disabled ones: they are as unknown as any other name
}

// source is one sender's share of a plan.
type source struct {
	name    string
	subject string
	limit   int64          // of a body, in bytes
	allow   []netip.Prefix // nil allows any address

	accepted prometheus.Counter
	duration prometheus.Observer
	size     prometheus.Observer
}

func (d *Door) compile(cfg *config.Config) (*plan, error) {
	hosts, err := publicHosts(cfg.Ingress.PublicURL)
	if err != nil {
		return nil, cfg.Problem("ingress.public_url", err)
	}
	p := &plan{listen: cfg.Ingress.Listen, hosts: hosts, proxies: cfg.Ingress.TrustedProxies, sources: make(map[string]*source, len(cfg.Sources))}
	names := bus.NewNames(cfg.NATS.Prefix)
	for name, s := range cfg.Sources {
		at := "sources." + name
		limit := int64(cfg.Ingress.MaxBody)
		if s.MaxBody > 0 {
			at, limit = at+".max_body", int64(s.MaxBody)
		}
		if err := d.checkFits(limit); err != nil {
			return nil, cfg.Problem(at, err)
		}
		if !s.Disabled {
			p.sources[name] = d.metrics.of(&source{name: name, subject: names.Raw(name), limit: limit, allow: s.Allow.Addresses})
		}
	}
	return p, nil
}

// overhead is the most that a stored request has around its body: head and NATS headers.
const overhead = record.MaxHeaderBytes + record.MaxTarget + 1<<10

func (d *Door) checkFits(limit int64) error {
	if limit < 1 {
		return fmt.Errorf("the largest body must have at least one byte, not %d", limit)
	}
	if most := d.nc.MaxPayload() - overhead; most > 0 && limit > most {
		return fmt.Errorf("bodies of %s don't fit: the bus takes messages of %s", config.Bytes(limit), config.Bytes(d.nc.MaxPayload()))
	}
	return nil
}

var defaultPorts = map[string]string{"https": "443", "http": "80"}

// publicHosts is what the Host of a request may be: with the scheme's own port, the port
// may be left out.
func publicHosts(publicURL string) ([]string, error) {
	if publicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("must be a URL such as https://hooks.example.com")
	}
	own, host := defaultPorts[u.Scheme], strings.ToLower(u.Host)
	bare := strings.TrimSuffix(host, ":"+own)
	if u.Port() == "" || u.Port() == own {
		return []string{bare, bare + ":" + own}, nil
	}
	return []string{host}, nil
}

// serves says whether host is ours. Operators on this machine may call the listener by its
// loopback address; a name would let a web page do so too (DNS rebinding).
func (p *plan) serves(host string, peer netip.Addr) bool {
	if p.hosts == nil {
		return true
	}
	host = strings.ToLower(host)
	for _, ours := range p.hosts {
		if host == ours {
			return true
		}
	}
	literal, _, err := net.SplitHostPort(host)
	if err != nil {
		literal = strings.Trim(host, "[]")
	}
	addr, err := netip.ParseAddr(literal)
	return err == nil && addr.IsLoopback() && peer.IsLoopback()
}
