package egress

import (
	"net/netip"
	"slices"
)

// never lists what no policy can allow: metadata services, which give credentials to
// whoever can send a GET, and addresses that stand for other addresses, which would
// let one through in disguise.
var never = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where metadata services live (RFC 3927)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (RFC 4291, section 2.5.6)"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's host, which answers on a public address"},
	{netip.MustParsePrefix("100.100.100.200/32"), "Alibaba Cloud's metadata service"},
	{netip.MustParsePrefix("192.0.0.192/32"), "Oracle Cloud's metadata service"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "AWS's metadata service"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "Google Cloud's metadata service"},
	{netip.MustParsePrefix("0.0.0.0/8"), "this host on this network, which connects to loopback (RFC 791)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 1112)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved, with broadcast (RFC 1112)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "an IPv4-translated address (RFC 2765)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "a NAT64 address (RFC 6052)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a NAT64 address (RFC 8215)"},
	{netip.MustParsePrefix("2001::/32"), "a Teredo address (RFC 4380)"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address (RFC 3056)"},
}

var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
	compat    = netip.MustParsePrefix("::/96")
)

// classify says why a may not be reached, "" when it may. What is public or allowed
// comes first and every denial after it, so that an address in no list is denied.
// Callers unmap what a resolver gave them: here a mapped address is a disguise.
func (r *rules) classify(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "not an address"
	case a.Zone() != "":
		return "an address with a zone" // in no prefix, says netip: deny lists would miss it
	case a.Is4In6():
		return "an IPv4-mapped address (RFC 4291)"
	case r.guard.SafeAddr(a) != nil:
		return "not a public address, and not in egress.allow_private"
	case contains(r.Deny, a):
		return "an address of Doorward's own"
	}
	return neverAllowed(a)
}

func neverAllowed(a netip.Addr) string {
	for _, n := range never {
		if n.prefix.Contains(a) {
			return n.why
		}
	}
	switch {
	case a != loopback6 && compat.Contains(a):
		return "unspecified, or an IPv4-compatible address (RFC 4291)"
	case isatap(a):
		return "an ISATAP address (RFC 5214)"
	}
	return ""
}

// isatap recognises an IPv4 address inside an interface identifier, ::0:5efe:a.b.c.d,
// with any universal and group bits (RFC 5214, section 6.1). It lies in public prefixes too.
func isatap(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	b := a.As16()
	return b[8]&^0x03 == 0 && slices.Equal(b[9:12], []byte{0x00, 0x5e, 0xfe})
}

// classifyFor adds to classify that http goes to allow_private alone.
func (r *rules) classifyFor(scheme string, a netip.Addr) string {
	if why := r.classify(a); why != "" {
		return why
	}
	if scheme != "https" && !contains(r.AllowPrivate, a) {
		return "http to a public address"
	}
	return ""
}
