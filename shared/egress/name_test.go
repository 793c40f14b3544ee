package egress

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// hostile are URLs that no name server and no policy of ports may make acceptable.
var hostile = []struct{ id, url string }{
	{"F04", "https://metadata.google.internal/computeMetadata/v1/"},
	{"F04", "https://instance-data/latest/meta-data/"},
	{"F05", "https://2130706433/"},
	{"F05", "https://0x7f000001/"},
	{"F05", "https://0X7F000001/"},
	{"F05", "https://0177.0.0.1/"},
	{"F05", "https://127.1/"},
	{"F05", "https://0/"},
	{"F05", "https://0x7f.1/"},
	{"F05", "https://127.0.0.0x1/"},
	{"F05", "https://127.0.0.1.256/"},
	{"F05", "https://1.2.3.08/"},
	{"F06", "https://①②⑦.⓪.⓪.①/"},
	{"F06", "https://127。0。0。1/"},
	{"F06", "https://%E2%91%A0.example/"},
	{"F06", "https://exämple.com/"},
	{"F06", "https://loc\u00adalhost/"},
	{"F06", "https://example.com／evil/"},
	{"F07", "https://localhost/"},
	{"F07", "https://LOCALHOST/"},
	{"F07", "https://localhost./"},
	{"F07", "https://127.0.0.1./"},
	{"F07", "https://8.8.8.8./"},
	{"F07", "https://a.localhost/"},
	{"F07", "https://localhost.localdomain/"},
	{"F07", "https://printer.local/"},
	{"F07", "https://PRINTER.Local/"},
	{"F07", "https://vault.internal/"},
	{"F07", "https://api.default.svc.cluster.local/"},
	{"F07", "https://router.home.arpa/"},
	{"F07", "https://home.arpa/"},
	{"F07", "https://kubernetes/"},
	{"F07", "https://example.com./"},
	{"F07", "https://example.com../"},
	{"F07", "https://.example.com/"},
	{"F07", "https://example..com/"},
	{"F08", "https://[::]/"},
	{"F08", "https://0.0.0.0/"},
	{"F09", "https://[fe80::1%25lo]/"},
	{"F09", "https://[::1%25lo]/"},
	{"F09", "https://[2606:4700::1111%25eth0]/"},
	{"F09", "https://[::1%lo]/"},
	{"F13", "https://a@b@127.0.0.1/"},
	{"F13", "https://good.com@example.com/"},
	{"F13", "https://user:password@example.com/"},
	{"F13", "https://@example.com/"},
	{"F13", "https://good.com#@127.0.0.1/"},
	{"F13", "https://good.com/#"},
	{"F13", `https://good.com\@127.0.0.1/`},
	{"F13", `https:\\127.0.0.1/`},
	{"F13", "https://127.0.0.1%2f@good.com/"},
	{"F13", "https://good.com%2f.example.com/"},
	{"F13", "https://good.com%00.example.com/"},
	{"F13", "https://good.com\t/"},
	{"F13", "https://good.com\r\nHost: evil/"},
	{"F13", " https://good.com/"},
	{"F13", "https://[8.8.8.8]/"},
	{"F13", "https://[good.com]/"},
	{"F13", "https://2606:4700::1111/"},
	{"F13", "https://good.com,127.0.0.1/"},
	{"F13", "https://*.good.com/"},
	{"F14", "gopher://good.com/"},
	{"F14", "gopher://good.com:443/"},
	{"F14", "file:///etc/passwd"},
	{"F14", "unix:///var/run/docker.sock"},
	{"F14", "ftp://good.com/"},
	{"F14", "http+unix://good.com/"},
	{"F14", "ws://good.com/"},
	{"F14", "HTTP://good.com/"},
	{"F14", "http://good.com/"},
	{"F14", "http://good.com:443/"},
	{"F14", "//good.com/"},
	{"F14", "good.com/"},
	{"F14", "good.com"},
	{"F14", "https:good.com"},
	{"F14", "https:///path"},
	{"F14", "https://"},
	{"F14", "https://:443/"},
	{"F14", ""},
	{"F15", "https://good.com:22/"},
	{"F15", "https://good.com:25/"},
	{"F15", "https://good.com:80/"},
	{"F15", "https://good.com:4222/"},
	{"F15", "https://good.com:6222/"},
	{"F15", "https://good.com:8222/"},
	{"F15", "https://good.com:6443/"},
	{"F15", "https://good.com:2379/"},
	{"F15", "https://good.com:0/"},
	{"F15", "https://good.com:99999/"},
	{"F15", "https://good.com:0x50/"},
	{"F15", "https://good.com:0443/"},
	{"F15", "https://good.com:65979/"}, // 443 + 65536
	{"F15", "https://good.com:+443/"},
	{"F15", "https://good.com:/"},
}

func TestHostileURLs(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.id+" "+tt.url, func(t *testing.T) {
			c, w := sealed(t, Policy{}, zone{})
			if err := (Policy{}).Check(tt.url); !isDenied(err) {
				t.Errorf("Check(%q) = %v, want a DeniedError", tt.url, err)
			}
			wantDenied(t, c, w, tt.url)
		})
	}
	long := "https://good.com/" + strings.Repeat("a", maxURL)
	if err := (Policy{}).Check(long); !isDenied(err) {
		t.Errorf("Check of %d bytes = %v, want a DeniedError", len(long), err)
	}
	if err := (Policy{}).Check(long[:maxURL]); err != nil {
		t.Errorf("Check of %d bytes = %v, want nil", maxURL, err)
	}
}

// TestWhy: an operator reads what to change.
func TestWhy(t *testing.T) {
	p := Policy{AllowPrivate: prefixes("10.0.0.0/8"), Deny: prefixes("10.0.0.7/32"), AllowHTTP: true, Ports: []int{80, 443}}
	for rawURL, want := range map[string]string{
		"https:good.com":           `egress to "" denied: a URL without a host`,
		"https://[fe80::1%25lo]/":  `egress to "[fe80::1%lo]" denied: an address with a zone`,
		"https://[::ffff:8.8.8.8]": `egress to "[::ffff:8.8.8.8]" denied: an IPv4-mapped address (RFC 4291)`,
		"https://good.com./":       `egress to "good.com." denied: a name with a dot at its end`,
		"https://good.com:81/":     `egress to "good.com:81" denied: port 81, which is not in egress.ports`,
		"https://192.168.0.1/":     `egress to "192.168.0.1" denied: not a public address, and not in egress.allow_private`,
		"https://10.0.0.7/":        `egress to "10.0.0.7" denied: an address of Doorward's own`,
		"http://8.8.8.8/":          `egress to "8.8.8.8" denied: http to a public address`,
		"https://db.internal/":     `egress to "db.internal" denied: a name that ends in .internal`,
	} {
		if got := p.Check(rawURL); got == nil || got.Error() != want {
			t.Errorf("Check(%q) = %v, want %s", rawURL, got, want)
		}
	}
	long := "https://" + strings.Repeat("a", 1000)
	if err := p.Check(long); len(err.Error()) > 500 {
		t.Errorf("Check of a long host = %d bytes", len(err.Error()))
	}
}

func TestPlainURLs(t *testing.T) {
	c, w := sealed(t, Policy{}, zone{
		"good.com": addrs("8.8.8.8"), "xn--exmple-cua.com": addrs("8.8.8.8"), "a_b.4.good.com": addrs("8.8.8.8"), "1e100.net": addrs("8.8.8.8"),
	})
	plain := []string{"https://good.com", "https://good.com:443/", "HTTPS://Good.Com/path?q=1%2f@x", "https://xn--exmple-cua.com/",
		"https://a_b.4.good.com/", "https://1e100.net/", "https://8.8.8.8/"}
	for _, rawURL := range plain {
		t.Run(rawURL, func(t *testing.T) { wantDialed(t, c, w, rawURL, "8.8.8.8:443") })
	}
	wantDialed(t, c, w, "https://[2606:4700::1111]/", "[2606:4700::1111]:443")
}

func TestConfiguredPorts(t *testing.T) {
	c, w := sealed(t, Policy{Ports: []int{8443}}, nil)
	wantDialed(t, c, w, "https://8.8.8.8:8443/", "8.8.8.8:8443")
	wantDenied(t, c, w, "https://8.8.8.8/")
}

func TestHTTPIsForPrivateAddresses(t *testing.T) {
	p := Policy{AllowPrivate: prefixes("10.0.0.0/8", "::1/128"), Ports: []int{80}, AllowHTTP: true}
	c, w := sealed(t, p, zone{"in.example": addrs("10.0.0.1"), "out.example": addrs("8.8.8.8")})
	wantDialed(t, c, w, "http://10.0.0.1/", "10.0.0.1:80")
	wantDialed(t, c, w, "http://in.example/", "10.0.0.1:80")
	wantDialed(t, c, w, "http://localhost/", "[::1]:80")
	for _, rawURL := range []string{"http://8.8.8.8/", "http://out.example/", "http://127.0.0.1/", "https://10.0.0.1/"} {
		wantDenied(t, c, w, rawURL)
	}
	wantDialed(t, c, w, "https://8.8.8.8:80/", "8.8.8.8:80")
}

func TestLocalhostIsNeverLookedUp(t *testing.T) {
	z := zone{"localhost": addrs("8.8.8.8")}
	c, w := sealed(t, Policy{AllowPrivate: prefixes("127.0.0.0/8")}, z)
	wantDialed(t, c, w, "https://LocalHost/", "127.0.0.1:443")
	wantDenied(t, c, w, "https://a.localhost/")
	c, w = sealed(t, Policy{AllowPrivate: prefixes("127.0.0.0/8", "::1/128")}, z)
	wantDialed(t, c, w, "https://localhost/", "127.0.0.1:443", "[::1]:443")
}

// FuzzDecision: what is allowed is https, on an allowed port, to a public address,
// whatever the URL and whatever its name resolves to.
func FuzzDecision(f *testing.F) {
	for _, tt := range hostile {
		f.Add(tt.url, []byte{8, 8, 8, 8}, []byte{127, 0, 0, 1})
	}
	f.Add("https://good.com/", []byte{8, 8, 8, 8}, []byte{})
	f.Add("https://good.com:443/x?y#", []byte{8, 8, 8, 8}, netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Add("https://[2606:4700::1111]/", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, rawURL string, one, two []byte) {
		var answer []netip.Addr
		for _, b := range [][]byte{one, two} {
			if a, ok := netip.AddrFromSlice(b); ok {
				answer = append(answer, a)
			}
		}
		looked := ""
		w := &wire{}
		c := open(t, Policy{}, Settings{beforeConnect: w.seal, Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			looked = name
			return answer, nil
		}})
		_, err := c.Do(t.Context(), Request{URL: rawURL})
		dialed := w.take()
		checkDecision(t, rawURL, looked, dialed)
		if passed := (Policy{}).Check(rawURL) == nil; !passed && (looked != "" || !isDenied(err)) {
			t.Errorf("Check refuses %q, but it looked up %q: %v", rawURL, looked, err)
		}
		for _, a := range answer {
			if looked != "" && len(dialed) > 0 && !public(a.Unmap()) {
				t.Errorf("%q dialled %v although %s was among the answers", rawURL, dialed, a)
			}
		}
	})
}

func checkDecision(t *testing.T, rawURL, looked string, dialed []netip.AddrPort) {
	t.Helper()
	for _, ap := range dialed {
		if !public(ap.Addr()) || ap.Port() != 443 {
			t.Errorf("%q dialled %s", rawURL, ap)
		}
	}
	if looked == "" && len(dialed) == 0 {
		return
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
		t.Errorf("%q was looked up as %q, dialled %v", rawURL, looked, dialed)
	}
	if looked != "" && (looked != strings.ToLower(u.Hostname()) || !strings.Contains(looked, ".")) {
		t.Errorf("%q was looked up as %q", rawURL, looked)
	}
}
