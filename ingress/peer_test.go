package ingress

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func TestJudge(t *testing.T) {
	proxies := prefixes("10.0.0.0/8", "2001:db8::/32")
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		remote  string
		lines   []string
		want    string
	}{
		{"no header", proxies, "10.0.0.1:9", nil, "10.0.0.1"},
		{"I01 untrusted peer", proxies, "192.0.2.1:9", []string{"198.51.100.1"}, "192.0.2.1"},
		{"I02 right to left", proxies, "10.0.0.1:9", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7"},
		{"I02 trusted hops are skipped", proxies, "10.0.0.1:9", []string{"198.51.100.1,192.0.2.7, 10.2.3.4 ,2001:db8::1"}, "192.0.2.7"},
		{"I03 two lines", proxies, "10.0.0.1:9", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7"},
		{"I03 two lines, the last trusted", proxies, "10.0.0.1:9", []string{"198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"I04 nobody trusted", nil, "127.0.0.1:9", []string{"198.51.100.1"}, "127.0.0.1"},
		{"I05 with a port", proxies, "10.0.0.1:9", []string{"192.0.2.7:80"}, "192.0.2.7"},
		{"I05 v6 with a port", proxies, "10.0.0.1:9", []string{"[2001:470::1]:80"}, "2001:470::1"},
		{"I05 v6 in brackets", proxies, "10.0.0.1:9", []string{"[2001:470::1]"}, "2001:470::1"},
		{"I05 v4 in brackets", proxies, "10.0.0.1:9", []string{"[192.0.2.7]"}, "unknown"},
		{"I05 octal", proxies, "10.0.0.1:9", []string{"010.0.0.1"}, "unknown"},
		{"I05 hex", proxies, "10.0.0.1:9", []string{"0x7f.0.0.1"}, "unknown"},
		{"I05 unknown", proxies, "10.0.0.1:9", []string{"unknown"}, "unknown"},
		{"I05 obfuscated", proxies, "10.0.0.1:9", []string{"_x"}, "unknown"},
		{"I05 empty", proxies, "10.0.0.1:9", []string{""}, "unknown"},
		{"I05 empty element", proxies, "10.0.0.1:9", []string{"192.0.2.7,,10.0.0.2"}, "unknown"},
		{"I05 garbage behind the answer is not read", proxies, "10.0.0.1:9", []string{"garbage, 192.0.2.7"}, "192.0.2.7"},
		{"I06 mapped peer", proxies, "[::ffff:10.0.0.1]:9", []string{"192.0.2.7"}, "192.0.2.7"},
		{"I06 mapped hop", proxies, "10.0.0.1:9", []string{"192.0.2.7, ::ffff:10.0.0.3"}, "192.0.2.7"},
		{"I07 zone", proxies, "10.0.0.1:9", []string{"fe80::1%eth0"}, "unknown"},
		{"I08 all trusted", proxies, "10.0.0.1:9", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no remote address", proxies, "@", nil, "unknown"},
	} {
		p := &plan{proxies: c.proxies}
		if got := peerText(p.judge(direct(c.remote), c.lines)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWithin(t *testing.T) {
	list := prefixes("10.0.0.0/8", "fe80::/10")
	for addr, want := range map[string]bool{"10.1.2.3": true, "11.0.0.1": false, "fe80::1": true, "fe80::1%eth0": false} {
		if got := within(list, netip.MustParseAddr(addr)); got != want {
			t.Errorf("within %s: got %v, want %v", addr, got, want)
		}
	}
	if within(list, netip.Addr{}) {
		t.Error("a list contains the unknown address")
	}
	if !within(nil, netip.Addr{}) {
		t.Error("no list refuses the unknown address")
	}
}

// TestOnlyTheRightmostUntrustedCounts: whatever a sender writes left of it changes nothing.
func TestOnlyTheRightmostUntrustedCounts(t *testing.T) {
	p := &plan{proxies: prefixes("10.0.0.0/8")}
	rapid.Check(t, func(t *rapid.T) {
		forged := rapid.SliceOf(rapid.StringMatching(`[0-9a-f.:\[\] %,_x]{0,20}`)).Draw(t, "forged")
		trusted := rapid.IntRange(0, 3).Draw(t, "trusted hops")
		honest := "192.0.2.7" + strings.Repeat(", 10.0.0.9", trusted)
		lines := append(forged, honest)
		if rapid.Bool().Draw(t, "one line") {
			lines = []string{strings.Join(lines, ",")}
		}
		if got := p.judge(direct("10.0.0.1:1"), lines); got != netip.MustParseAddr("192.0.2.7") {
			t.Fatalf("got %s from %q", got, lines)
		}
	})
}

func FuzzParseHop(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "192.0.2.1:80", "[::1]:80", "[::1]", "::ffff:10.0.0.1", "fe80::1%eth0", "[fe80::1%lo]:1", " 1.2.3.4", "010.0.0.1", "_x", "[[::1]]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hop string) {
		addr := parseHop(hop)
		if !addr.IsValid() {
			return
		}
		if addr.Zone() != "" || addr.Is4In6() {
			t.Fatalf("%q gives %s", hop, addr)
		}
		if again := parseHop(addr.String()); again != addr {
			t.Fatalf("%q gives %s, and that gives %s", hop, addr, again)
		}
	})
}
