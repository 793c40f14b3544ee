package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ingressRole is the only role that has a projection, and its identity on the bus.
const ingressRole = "ingress"

// These mirror the parts of a Config that an outer door may know, and no others: what is not
// listed here can't leak.
type (
	projection struct {
		Version int                        `yaml:"version"`
		NATS    projectedNATS              `yaml:"nats"`
		Ingress projectedIngress           `yaml:"ingress"`
		Sources map[string]projectedSource `yaml:"sources,omitempty"`
	}
	projectedNATS struct {
		URL         string            `yaml:"url"`
		Credentials map[string]string `yaml:"credentials,omitempty"`
		CA          string            `yaml:"ca,omitempty"`
		Prefix      string            `yaml:"prefix"`
		Replicas    int               `yaml:"replicas"`
		Durability  string            `yaml:"durability"`
	}
	projectedIngress struct {
		Listen         string   `yaml:"listen"`
		MaxBody        string   `yaml:"max_body"`
		TrustedProxies []string `yaml:"trusted_proxies,omitempty"`
		PublicURL      string   `yaml:"public_url,omitempty"`
	}
	projectedSource struct {
		Verify  projectedVerify `yaml:"verify"`
		Allow   projectedAllow  `yaml:"allow,omitempty"`
		MaxBody string          `yaml:"max_body"`
	}
	projectedVerify struct {
		Provider string            `yaml:"provider"`
		With     map[string]string `yaml:"with,omitempty"`
	}
	projectedAllow struct {
		Addresses []string `yaml:"addresses,omitempty"`
	}
)

// Project writes the configuration of one door as YAML for DecodeProjected. Only "ingress" has
// one: enabled sources without keys, and no reference to any secret but the ingress's own
// credential for NATS. It fails for an embedded server, which no other process can use.
func Project(c *Config, role string) ([]byte, error) {
	switch {
	case role != ingressRole:
		return nil, fmt.Errorf("project the configuration for %q: only %s has a projection", role, ingressRole)
	case c.NATS.URL == "":
		return nil, errors.New("project the configuration: nats.embedded serves one process alone; a separate ingress needs nats.url")
	}
	p := projection{Version: c.Version, NATS: projectNATS(c.NATS), Ingress: projectIngress(c.Ingress), Sources: map[string]projectedSource{}}
	for name, s := range c.Sources {
		if !s.Disabled {
			p.Sources[name] = projectSource(s)
		}
	}
	out, err := yaml.Dump(p)
	if err != nil {
		return nil, fmt.Errorf("write the projected configuration: %w", err)
	}
	if err := checkKeyless(out, c.NATS.Credentials[ingressRole]); err != nil {
		return nil, err
	}
	return out, nil
}

func projectNATS(n NATS) projectedNATS {
	p := projectedNATS{URL: n.URL, CA: n.CA, Prefix: n.Prefix, Replicas: n.Replicas, Durability: string(n.Durability)}
	if ref, ok := n.Credentials[ingressRole]; ok {
		p.Credentials = map[string]string{ingressRole: string(ref)}
	}
	return p
}

func projectIngress(i Ingress) projectedIngress {
	return projectedIngress{Listen: i.Listen, MaxBody: i.MaxBody.String(), TrustedProxies: prefixTexts(i.TrustedProxies), PublicURL: i.PublicURL}
}

func projectSource(s Source) projectedSource {
	return projectedSource{
		Verify:  projectedVerify{Provider: s.Verify.Provider, With: maps.Clone(s.Verify.With)},
		Allow:   projectedAllow{Addresses: prefixTexts(s.Allow.Addresses)},
		MaxBody: s.MaxBody.String(),
	}
}

func prefixTexts(prefixes []netip.Prefix) []string {
	var all []string
	for _, p := range prefixes {
		all = append(all, p.String())
	}
	return all
}

// checkKeyless looks at what was written and not at what was meant to be: a Config built by
// hand may hold a reference where none belongs.
func checkKeyless(out []byte, credential Ref) error {
	var root yaml.Node
	if err := yaml.Load(out, &root); err != nil {
		return fmt.Errorf("read the projected configuration back: %w", err)
	}
	refs := refsIn(&root)
	if own := slices.Index(refs, string(credential)); own >= 0 {
		refs = slices.Delete(refs, own, own+1)
	}
	if len(refs) > 0 {
		return fmt.Errorf("project the configuration: %d values besides the ingress's credential look like references to secrets", len(refs))
	}
	return nil
}

// refsIn are the scalars of n that begin as references do.
func refsIn(n *yaml.Node) []string {
	var found []string
	if n.Kind == yaml.ScalarNode && (strings.HasPrefix(n.Value, envScheme) || strings.HasPrefix(n.Value, fileScheme)) {
		found = append(found, n.Value)
	}
	for _, child := range n.Content {
		found = slices.Concat(found, refsIn(child))
	}
	return found
}
