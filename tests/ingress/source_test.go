package ingress_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/tests/harness"
	"github.com/rs/zerolog"
)

// allowing limits source a to addresses.
func allowing(cfg *config.Config, addresses ...string) *config.Config {
	s := cfg.Sources["a"]
	s.Allow.Addresses = nil
	for _, a := range addresses {
		s.Allow.Addresses = append(s.Allow.Addresses, netip.MustParsePrefix(a))
	}
	cfg.Sources["a"] = s
	return cfg
}

// TestAddresses (I01, I02, I04): whom the door believes, and what it stores as the peer.
func TestAddresses(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	for _, c := range []struct {
		name    string
		proxies string
		allow   string
		header  string
		want    int
		peer    string
	}{
		{"listed", "", "127.0.0.0/8", "", 202, "127.0.0.1"},
		{"not listed", "", "192.0.2.0/24", "", 403, ""},
		{"I01 nobody is trusted", "", "192.0.2.0/24", "X-Forwarded-For: 192.0.2.1\r\n", 403, ""},
		{"trusted proxy", "127.0.0.1/32", "192.0.2.0/24", "X-Forwarded-For: 192.0.2.1\r\n", 202, "192.0.2.1"},
		{"I02 forged on the left", "127.0.0.1/32", "192.0.2.0/24", "X-Forwarded-For: 192.0.2.1, 203.0.113.9\r\n", 403, ""},
		{"I03 forged in the first line", "127.0.0.1/32", "192.0.2.0/24", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 203.0.113.9\r\n", 403, ""},
		{"I05 no address", "127.0.0.1/32", "0.0.0.0/0", "X-Forwarded-For: unknown\r\n", 403, ""},
		{"I09 other headers", "127.0.0.1/32", "192.0.2.0/24", "X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n", 403, ""},
	} {
		more := ""
		if c.proxies != "" {
			more = fmt.Sprintf(", trusted_proxies: [%q]", c.proxies)
		}
		if err := f.door.Reload(allowing(configured(t, more), c.allow)); err != nil {
			t.Fatal(err)
		}
		a := f.exchange(t, sized(c.header, "x"))[0]
		if a.status != c.want {
			t.Errorf("%s: %d, want %d", c.name, a.status, c.want)
		}
		if a.status == 202 && f.last(t).Header.Get(bus.HeaderPeer) != c.peer {
			t.Errorf("%s: stored peer %s, want %s", c.name, f.last(t).Header.Get(bus.HeaderPeer), c.peer)
		}
	}
}

func TestReloadSwapsWholeOrNotAtAll(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	if a := f.post(t, "b", "xx"); a.status != 202 {
		t.Fatalf("before: %d", a.status)
	}
	next := configured(t, "")
	delete(next.Sources, "b")
	s := next.Sources["a"]
	s.MaxBody = 1
	next.Sources["a"], next.Sources["c"] = s, s
	if err := f.door.Reload(next); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]int{"a": 413, "b": 404, "c": 413} {
		if a := f.post(t, source, "xx"); a.status != want {
			t.Errorf("%s after the reload: %d, want %d", source, a.status, want)
		}
	}
	if series(t, f, "b") != 0 {
		t.Error("a source that is gone keeps its series")
	}

	var problem config.Problem
	moved := configured(t, "")
	moved.Ingress.Listen = "127.0.0.1:1"
	if err := f.door.Reload(moved); !errors.As(err, &problem) || problem.Path != "ingress.listen" {
		t.Errorf("another address: got %v", err)
	}
	large := configured(t, "")
	s.MaxBody = 64 << 20
	large.Sources["b"] = s
	if err := f.door.Reload(large); !errors.As(err, &problem) || problem.Path != "sources.b.max_body" {
		t.Errorf("a body that the bus can't take: got %v", err)
	}
	if a := f.post(t, "c", "x"); a.status != 202 {
		t.Errorf("after refused reloads: %d, want what was there", a.status)
	}
}

// series counts the metric series that name a source.
func series(t *testing.T, f *fixture, source string) (n int) {
	t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if l.GetName() == "source" && l.GetValue() == source {
					n++
				}
			}
		}
	}
	return n
}

// answers is doorward_ingress_requests_total by source and code.
func (f *fixture) answers(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "doorward_ingress_requests_total" {
			continue
		}
		for _, m := range family.Metric {
			out[m.Label[1].GetValue()+" "+m.Label[0].GetValue()] = m.Counter.GetValue()
		}
	}
	return out
}

// TestMetrics: requests are counted by source and status, scanners under one label.
func TestMetrics(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	f.post(t, "a", "x")
	f.post(t, "a", strings.Repeat("x", limit+1))
	for i := range 3 {
		f.post(t, fmt.Sprint("scan", i), "x")
	}
	want := map[string]float64{"a 202": 1, "a 413": 1, "b 202": 0, "_unknown 404": 3}
	if got := f.answers(t); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if n := series(t, f, "a"); n != 4 {
		t.Errorf("source a has %d series, want two counters, duration and size", n)
	}
}

// TestProblems: a refusal is problem+json with a request id, and no cause.
func TestProblems(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	a := f.exchange(t, request("Content-Length: 10\r\n", "xx"))[0]
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type is %s", got)
	}
	want := `{"type":"about:blank","title":"` + http.StatusText(400) + `","status":400,"detail":"the request is malformed or incomplete","instance":"urn:ulid:` + a.id(t) + `"}`
	if a.body != want {
		t.Errorf("body is\n%s, want\n%s", a.body, want)
	}
	if strings.Contains(a.body, "127.0.0.1") {
		t.Error("the answer shows a socket's address")
	}
}

func TestNewPlacesProblems(t *testing.T) {
	h := harness.Bus(t, harness.Options{})
	for path, change := range map[string]func(*config.Config){
		"":                   func(*config.Config) {},
		"ingress.listen":     func(c *config.Config) { c.Ingress.Listen = "192.0.2.1:1" },
		"ingress.public_url": func(c *config.Config) { c.Ingress.PublicURL = "hooks" },
	} {
		cfg := configured(t, "")
		change(cfg)
		door, err := ingress.New(ingress.Settings{Config: cfg, Bus: h.Connect(t, bus.IngressUser), Log: zerolog.Nop()})
		var problem config.Problem
		if path == "" && err != nil || path != "" && (!errors.As(err, &problem) || problem.Path != path) {
			t.Errorf("%q: got %v", path, err)
		}
		if err == nil {
			stopped(t, door)
		}
	}
}
