package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"
)

func (d *decoder) target(c *Config, name string) {
	at, t := keyPath("targets", name), c.Targets[name]
	if c.Sources != nil || !d.has("sources") {
		d.from(at+".from", t.From, slices.Sorted(maps.Keys(c.Sources)))
	}
	if t.Start != "new" && t.Start != "all" {
		if _, err := time.Parse(time.RFC3339, t.Start); err != nil {
			d.report(at+".start", "must be new, all or a time such as 2026-12-31T00:00:00Z", "")
		}
	}
	if t.Ordered && t.Concurrency > 1 {
		d.report(at+".concurrency", "an ordered target delivers one at a time", "leave the key out or set it to 1")
	}
	if t.NATS != nil && t.NATS.Subject != "" {
		_, err := ParseSubject(t.NATS.Subject, c.NATS.Prefix)
		d.reportErr(at+".nats.subject", err)
	}
	if t.HTTP != nil && t.HTTP.URL != "" {
		d.http(at+".http.url", t.HTTP.URL, c.Egress)
	}
}

// from checks that sources are known, by their names in the file: one that has a mistake
// elsewhere is known all the same.
func (d *decoder) from(path string, from, sources []string) {
	seen := map[string]bool{}
	for i, source := range from {
		at := itemPath(path, i)
		switch {
		case source == "":
		case !d.has(keyPath("sources", source)):
			d.report(at, fmt.Sprintf("there is no source %q", clipped(source)), didYouMean(source, sources))
		case seen[source]:
			d.report(at, "is listed already", "")
		}
		seen[source] = true
	}
}

func (d *decoder) http(path, raw string, egress Egress) {
	u, err := parseURL(raw, "https", "http")
	if err != nil {
		d.reportErr(path, err)
		return
	}
	if u.Scheme == "http" && !egress.AllowHTTP {
		d.report(path, "must be an https URL", "or set egress.allow_http for private addresses")
		return
	}
	if port := portOf(u); !slices.Contains(egress.Ports, port) {
		d.report(path, fmt.Sprintf("port %d is not among egress.ports", port), "")
	}
}

func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}
