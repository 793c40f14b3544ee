package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"code.dny.dev/ssrf"
)

// Policy says what may be reached. The zero value allows https on port 443 of public
// addresses. It comes from the process's configuration alone, never from a target or the API.
type Policy struct {
	// AllowPrivate lists prefixes that may be reached although they are not public.
	// Link-local and metadata addresses inside them stay denied.
	AllowPrivate []netip.Prefix
	// Ports that may be reached; none means 443.
	Ports []int
	// AllowHTTP permits http to addresses of AllowPrivate, never to public ones.
	AllowHTTP bool
	// Deny lists what is refused though it is public or in AllowPrivate: Doorward's own addresses.
	Deny []netip.Prefix
}

// Validate reports every mistake in the policy, joined.
func (p Policy) Validate() error {
	var errs []error
	for _, prefix := range p.AllowPrivate {
		errs = append(errs, validatePrivate(prefix))
	}
	for _, prefix := range p.Deny {
		errs = append(errs, validatePrefix(prefix))
	}
	for _, port := range p.Ports {
		if port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("check egress policy: %d is not a port", port))
		}
	}
	return errors.Join(errs...)
}

// Check judges a target's URL without a lookup or a connection, for use when a
// configuration is loaded. A name that passes may still be denied for the addresses it
// resolves to. The error is a *DeniedError, or Validate's.
func (p Policy) Check(rawURL string) error {
	r, err := newRules(p)
	if err != nil {
		return err
	}
	_, err = r.check(rawURL)
	return err
}

// Classify judges an address for https. The error is a *DeniedError, or Validate's.
func (p Policy) Classify(a netip.Addr) error {
	r, err := newRules(p)
	if err != nil {
		return err
	}
	return denied(a.String(), r.classify(a))
}

// validatePrefix refuses prefixes that would match nothing: netip never finds a plain
// IPv4 address in an IPv4-mapped prefix, so a deny list with one would fail open.
func validatePrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("check egress policy: a prefix is not valid")
	case p.Addr().Is4In6():
		return fmt.Errorf("check egress policy: write %s as an IPv4 prefix", p)
	}
	return nil
}

func validatePrivate(p netip.Prefix) error {
	if err := validatePrefix(p); err != nil {
		return err
	}
	for _, n := range never {
		if within(p, n.prefix) {
			return fmt.Errorf("check egress policy: %s can't be allowed: %s", p, n.why)
		}
	}
	if !private(p) {
		return fmt.Errorf("check egress policy: %s holds public addresses, which need no allow_private", p)
	}
	return nil
}

// private says that no address of p is public. It keeps "http only to private
// addresses" true whatever is configured.
func private(p netip.Prefix) bool {
	special := ssrf.IPv4DeniedPrefixes
	if p.Addr().Is6() {
		if !p.Overlaps(ssrf.IPv6GlobalUnicast) {
			return true
		}
		special = ssrf.IPv6DeniedPrefixes
	}
	return slices.ContainsFunc(special, func(s netip.Prefix) bool { return within(p, s) })
}

func within(inner, outer netip.Prefix) bool {
	return outer.Contains(inner.Addr()) && inner.Bits() >= outer.Bits()
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// rules are a valid policy, ready to decide.
type rules struct {
	Policy
	// guard admits public addresses and AllowPrivate, on Ports, and nothing else.
	guard *ssrf.Guardian
}

func newRules(p Policy) (*rules, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	p.AllowPrivate, p.Deny, p.Ports = slices.Clone(p.AllowPrivate), slices.Clone(p.Deny), slices.Clone(p.Ports)
	if len(p.Ports) == 0 {
		p.Ports = []int{443}
	}
	return &rules{Policy: p, guard: newGuard(p)}, nil
}

func newGuard(p Policy) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, prefix := range p.AllowPrivate {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	ports := make([]uint16, len(p.Ports))
	for i, port := range p.Ports {
		ports[i] = uint16(port)
	}
	return ssrf.New(ssrf.WithPorts(ports...), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// check judges a URL and returns the parse that is then dialled.
func (r *rules) check(rawURL string) (*url.URL, error) {
	u, why := r.target(rawURL)
	if why == "" {
		return u, nil
	}
	host := "" // never the URL instead, which may hold secrets
	if u != nil {
		host = u.Host
	}
	return nil, denied(host, why)
}

// denied makes the error for a reason, nil for none.
func denied(host, why string) error {
	if why == "" {
		return nil
	}
	const longest = 255 // as a name in DNS; hostile URLs are longer than is useful in a log
	return &DeniedError{Host: host[:min(len(host), longest)], Why: why}
}
