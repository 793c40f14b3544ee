package egress

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// special are the registries of special-purpose addresses, kept here apart from the
// code under test: https://www.iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry, with multicast, and what lies outside 2000::/3.
var (
	special4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"255.255.255.255/32")
	special6 = prefixes("::/128", "::1/128", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48",
		"100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
		"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")
	global = netip.MustParsePrefix("2000::/3")
)

// public is the second opinion: by the tables above and by netip's own predicates.
func public(a netip.Addr) bool {
	if a.Zone() != "" || a.Is4In6() || a.Is6() && !global.Contains(a) {
		return false
	}
	return !contains(special4, a) && !contains(special6, a) && !a.IsPrivate() && a.IsGlobalUnicast() &&
		a != netip.MustParseAddr("168.63.129.16") && !isatap(a)
}

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestRegistryEdges(t *testing.T) {
	for id, table := range map[string][]netip.Prefix{"F01": special4, "F02": special6} {
		for _, p := range table {
			edges := map[string]netip.Addr{"first": p.Addr(), "last": last(p), "before": p.Addr().Prev(), "after": last(p).Next()}
			for name, a := range edges {
				if a.IsValid() {
					t.Run(id+" "+p.String()+" "+name, func(t *testing.T) { judge(t, a, public(a)) })
				}
			}
		}
	}
}

// judge sends to a as a literal and as a name's only address.
func judge(t *testing.T, a netip.Addr, want bool) {
	t.Helper()
	c, w := sealed(t, Policy{}, zone{"target.example": {a}})
	literal := "https://" + netip.AddrPortFrom(a, 443).String() + "/"
	if got := (Policy{}).Classify(a) == nil; got != want {
		t.Errorf("Classify(%s) allows: %t, want %t", a, got, want)
	}
	for _, rawURL := range []string{literal, "https://target.example/"} {
		if want {
			wantDialed(t, c, w, rawURL, netip.AddrPortFrom(a, 443).String())
		} else if rawURL == literal || !a.Is4In6() { // a resolver's mapped answer is the IPv4 address, see F10
			wantDenied(t, c, w, rawURL)
		}
	}
}

func TestDisguises(t *testing.T) {
	denied := map[string]string{
		"F03 mapped loopback":             "::ffff:127.0.0.1",
		"F03 mapped metadata":             "::ffff:169.254.169.254",
		"F03 compatible loopback":         "::127.0.0.1",
		"F03 compatible metadata":         "::169.254.169.254",
		"F03 translated loopback":         "::ffff:0:127.0.0.1",
		"F03 6to4 loopback":               "2002:7f00:1::",
		"F03 6to4 metadata":               "2002:a9fe:a9fe::",
		"F03 NAT64 loopback":              "64:ff9b::7f00:1",
		"F03 NAT64 metadata":              "64:ff9b::a9fe:a9fe",
		"F03 local NAT64 loopback":        "64:ff9b:1::7f00:1",
		"F03 local NAT64 metadata":        "64:ff9b:1::a9fe:a9fe",
		"F03 Teredo loopback":             "2001:0:4136:e378:8000:63bf:80ff:fffe",
		"F03 ISATAP loopback":             "2600:1f00::5efe:7f00:1",
		"F03 ISATAP metadata":             "2600:1f00::5efe:a9fe:a9fe",
		"F03 ISATAP with universal bit":   "2600:1f00::200:5efe:7f00:1",
		"F04 metadata":                    "169.254.169.254",
		"F04 container credentials":       "169.254.170.2",
		"F04 Tencent":                     "169.254.0.23",
		"F04 AWS IPv6":                    "fd00:ec2::254",
		"F04 Google IPv6":                 "fd20:ce::254",
		"F04 Alibaba":                     "100.100.100.200",
		"F04 Oracle":                      "192.0.0.192",
		"F04 Azure, on a public address":  "168.63.129.16",
		"F08 unspecified IPv6":            "::",
		"F08 unspecified IPv4":            "0.0.0.0",
		"F09 link-local with zone":        "fe80::1%lo",
		"F09 loopback with zone":          "::1%lo",
		"F09 public address with zone":    "2606:4700::1111%eth0",
		"F09 mapped address with zone":    "::ffff:8.8.8.8%eth0",
		"F02 mapped public address":       "::ffff:8.8.8.8",
		"F02 site-local":                  "fec0::1",
		"F02 outside every registry, 4/3": "4000::1",
	}
	for name, text := range denied {
		t.Run(name, func(t *testing.T) {
			if err := (Policy{}).Classify(netip.MustParseAddr(text)); !isDenied(err) {
				t.Errorf("Classify(%s) = %v, want a DeniedError", text, err)
			}
		})
	}
	twins := []string{"8.8.8.8", "168.63.129.15", "168.63.129.17", "2606:4700::1111", "2600:1f00::5eff:7f00:1", "2600:1f00::5efe:7f00:1:1"}
	for _, text := range twins {
		if err := (Policy{}).Classify(netip.MustParseAddr(text)); err != nil {
			t.Errorf("Classify(%s) = %v, want nil", text, err)
		}
	}
	if err := (Policy{}).Classify(netip.Addr{}); !isDenied(err) {
		t.Errorf("Classify of no address = %v, want a DeniedError", err)
	}
}

// everything private there is, as wide as prefixes get.
var widest = Policy{AllowPrivate: append(prefixes("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "192.0.0.0/24", "192.168.0.0/16"),
	prefixes("::/3", "2001::/23", "4000::/2", "8000::/1")...)}

func TestNeverAllowed(t *testing.T) {
	never := []string{"100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "ff02::1", "::",
		"::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
		"2001:0:4136:e378:8000:63bf:80ff:fffe", "fd00::5efe:7f00:1", "::1%lo", "fd00::1%lo"}
	for _, text := range never {
		t.Run("F04 in a wide allow_private "+text, func(t *testing.T) {
			if err := widest.Classify(netip.MustParseAddr(text)); !isDenied(err) {
				t.Errorf("Classify(%s) = %v, want a DeniedError", text, err)
			}
		})
	}
	for _, text := range []string{"10.0.0.1", "100.100.100.201", "127.0.0.1", "192.0.0.193", "::1", "fd00:ec2::255", "fec0::1"} {
		if err := widest.Classify(netip.MustParseAddr(text)); err != nil {
			t.Errorf("Classify(%s) = %v, want nil", text, err)
		}
	}
}

func TestValidate(t *testing.T) {
	refused := map[string]Policy{
		"no prefix":              {AllowPrivate: []netip.Prefix{{}}},
		"everything":             {AllowPrivate: prefixes("0.0.0.0/0")},
		"everything IPv6":        {AllowPrivate: prefixes("::/0")},
		"public":                 {AllowPrivate: prefixes("8.8.8.0/24")},
		"wider than private":     {AllowPrivate: prefixes("10.0.0.0/7")},
		"public IPv6":            {AllowPrivate: prefixes("2600::/16")},
		"mapped":                 {AllowPrivate: prefixes("::ffff:10.0.0.0/104")},
		"mapped, in deny":        {Deny: prefixes("::ffff:8.8.8.8/128")},
		"no prefix, in deny":     {Deny: []netip.Prefix{{}}},
		"link-local":             {AllowPrivate: prefixes("169.254.0.0/16")},
		"metadata":               {AllowPrivate: prefixes("169.254.169.254/32")},
		"metadata IPv6":          {AllowPrivate: prefixes("fd00:ec2::254/128")},
		"Azure":                  {AllowPrivate: prefixes("168.63.129.16/32")},
		"multicast":              {AllowPrivate: prefixes("224.0.0.0/24")},
		"reserved":               {AllowPrivate: prefixes("255.255.255.255/32")},
		"this network":           {AllowPrivate: prefixes("0.0.0.0/8")},
		"6to4":                   {AllowPrivate: prefixes("2002:7f00::/24")},
		"port 0":                 {Ports: []int{0}},
		"port beyond the last":   {Ports: []int{443, 65536}},
		"one mistake among many": {AllowPrivate: prefixes("10.0.0.0/8", "0.0.0.0/0"), Ports: []int{443}},
	}
	for name, p := range refused {
		t.Run(name, func(t *testing.T) {
			if p.Validate() == nil || p.Check("https://example.com/") == nil || p.Classify(netip.MustParseAddr("8.8.8.8")) == nil {
				t.Errorf("%+v is accepted", p)
			}
			if _, err := New(p, Settings{}); err == nil {
				t.Errorf("New accepts %+v", p)
			}
		})
	}
	twin := Policy{AllowPrivate: widest.AllowPrivate, Ports: []int{1, 65535}, Deny: prefixes("8.8.8.8/32", "2600::/16")}
	if err := twin.Validate(); err != nil {
		t.Errorf("Validate(widest) = %v", err)
	}
}

func TestAllowPrivateOpensNothingElse(t *testing.T) {
	p := Policy{AllowPrivate: prefixes("10.1.2.3/32")}
	c, w := sealed(t, p, nil)
	t.Run("F11 the allowed address", func(t *testing.T) { wantDialed(t, c, w, "https://10.1.2.3/", "10.1.2.3:443") })
	for _, rawURL := range []string{"https://10.1.2.2/", "https://10.1.2.4/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "http://10.1.2.3:443/"} {
		t.Run("F11 "+rawURL, func(t *testing.T) { wantDenied(t, c, w, rawURL) })
	}
}

func TestOwnAddresses(t *testing.T) {
	z := zone{"own.example": addrs("198.41.0.4")}
	c, w := sealed(t, Policy{Deny: prefixes("198.41.0.4/32", "10.0.0.7/32"), AllowPrivate: prefixes("10.0.0.0/8")}, z)
	for _, rawURL := range []string{"https://198.41.0.4/", "https://own.example/", "https://10.0.0.7/"} {
		t.Run("F17 "+rawURL, func(t *testing.T) { wantDenied(t, c, w, rawURL) })
	}
	wantDialed(t, c, w, "https://198.41.0.5/", "198.41.0.5:443")
	wantDialed(t, c, w, "https://10.0.0.8/", "10.0.0.8:443")
}

func TestClassifyLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{AllowPrivate: rapid.SliceOf(rapid.SampledFrom(widest.AllowPrivate)).Draw(t, "allow")}
		a := drawAddr(t)
		allowed := p.Classify(a) == nil
		if allowed && !public(a) && !contains(p.AllowPrivate, a) {
			t.Fatalf("%s is allowed, neither public nor in %v", a, p.AllowPrivate)
		}
		if !allowed && public(a) {
			t.Fatalf("%s is public and denied", a)
		}
		p.Deny = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
		if !a.Is4In6() && p.Classify(a) == nil {
			t.Fatalf("%s is in Deny and allowed", a)
		}
	})
}

// drawAddr favours the neighbourhood of special prefixes.
func drawAddr(t *rapid.T) netip.Addr {
	near := rapid.SampledFrom(append(append([]netip.Prefix{}, special4...), special6...)).Draw(t, "near").Addr().AsSlice()
	keep := rapid.IntRange(0, len(near)).Draw(t, "keep")
	for i := keep; i < len(near); i++ {
		near[i] = rapid.Byte().Draw(t, "byte")
	}
	a, _ := netip.AddrFromSlice(near)
	return a
}
