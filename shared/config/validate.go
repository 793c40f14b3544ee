package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// report adds a problem at path, unless reading the value there failed already: what follows
// from a mistake is no news.
func (d *decoder) report(path, message, hint string) {
	if !slices.ContainsFunc(d.problems, func(f finding) bool { return f.path == path }) {
		d.fail(d.spot(path), path, message, hint)
	}
}

// reportErr reports err, if there is one.
func (d *decoder) reportErr(path string, err error) {
	if err != nil {
		d.report(path, err.Error(), "")
	}
}

// validate checks what can be seen only from several values, or needs more than a pattern.
func (d *decoder) validate(c *Config) {
	d.nats(c.NATS)
	d.listeners(c)
	owners := map[Ref]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		d.source(c, name, owners)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		d.target(c, name)
	}
}

func (d *decoder) nats(n NATS) {
	if n.Embedded != nil {
		d.embedded(n)
	}
	if n.URL != "" {
		d.cluster(n)
	}
}

// cluster refuses what an external cluster would not survive.
func (d *decoder) cluster(n NATS) {
	d.reportErr("nats.url", checkServers(n.URL))
	if n.Replicas == 1 && n.Durability == PowerLoss {
		at := "nats.replicas"
		if d.has("nats.durability") && !d.has(at) {
			at = "nats.durability"
		}
		d.report(at, "one replica on an external server does not survive a loss of power", "set durability: process or replicas: 3")
	}
	for _, id := range slices.Sorted(maps.Keys(n.Credentials)) {
		d.known(keyPath("nats.credentials", id), "identity", id, d.options.Identities)
	}
}

// embedded refuses what only an external cluster has.
func (d *decoder) embedded(n NATS) {
	for _, key := range []string{"credentials", "ca"} {
		if path := keyPath("nats", key); n.URL == "" && d.has(path) {
			d.report(path, "has no meaning for the embedded server", "")
		}
	}
	if n.URL == "" && n.Replicas > 1 {
		d.report("nats.replicas", "the embedded server keeps one copy", "")
	}
	d.reportErr("nats.embedded.listen", checkLoopback(n.Embedded.Listen))
}

func (d *decoder) listeners(c *Config) {
	d.reportErr("ingress.listen", checkListen(c.Ingress.Listen))
	d.reportErr("admin.listen", checkLoopback(c.Admin.Listen))
	if c.Ingress.PublicURL != "" {
		_, err := parseURL(c.Ingress.PublicURL, "https", "http")
		d.reportErr("ingress.public_url", err)
	}
	if c.Egress.AllowHTTP && len(c.Egress.AllowPrivate) == 0 {
		d.report("egress.allow_http", "permits nothing without allow_private: http is never dialled to public addresses", "")
	}
}

// known checks name against a list that another package owns.
func (d *decoder) known(path, what, name string, list []string) {
	if list != nil && name != "" && !slices.Contains(list, name) {
		d.report(path, fmt.Sprintf("unknown %s: must be one of %s", what, strings.Join(list, ", ")), didYouMean(name, list))
	}
}

func (d *decoder) source(c *Config, name string, owners map[Ref]string) {
	at, s := keyPath("sources", name), c.Sources[name]
	d.known(at+".verify.provider", "provider", s.Verify.Provider, d.options.Providers)
	if s.MaxBody > c.Ingress.MaxBody {
		d.report(at+".max_body", fmt.Sprintf("may only lower ingress.max_body, which is %s", c.Ingress.MaxBody), "")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Verify.With)) {
		if refForm.MatchString(s.Verify.With[key]) {
			d.report(keyPath(at+".verify.with", key), "must not be a reference to a secret: parameters are not secret, keys are", "")
		}
	}
	ids := map[string]string{}
	for i, key := range s.Verify.Keys {
		d.key(itemPath(at+".verify.keys", i), key, ids, owners)
	}
}

// key checks one key against those before it: ids are unique within a source, secrets everywhere,
// or one sender could speak as another.
func (d *decoder) key(at string, key Key, ids map[string]string, owners map[Ref]string) {
	if first := ids[key.ID]; first != "" {
		d.report(at+".id", fmt.Sprintf("is the id of %s already", first), "")
	}
	if key.ID != "" {
		ids[key.ID] = cmp.Or(ids[key.ID], at)
	}
	secret := key.Secret.cleaned()
	if owner := owners[secret]; owner != "" {
		d.report(at+".secret", fmt.Sprintf("is the secret of %s already: every key needs its own", owner), "")
	}
	if secret != "" {
		owners[secret] = cmp.Or(owners[secret], at)
	}
	if !key.NotBefore.IsZero() && !key.NotAfter.IsZero() && !key.NotBefore.Before(key.NotAfter) {
		d.report(at+".not_after", "must be later than not_before", "")
	}
}

// cleaned is r with its path in the shortest form, to compare it by.
func (r Ref) cleaned() Ref {
	if path, isFile := strings.CutPrefix(string(r), fileScheme); isFile {
		return Ref(fileScheme + filepath.Clean(path))
	}
	return r
}
