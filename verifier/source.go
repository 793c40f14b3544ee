package verifier

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/verifier/signature"
)

// source is one configured sender, compiled: everything a delivery is judged by.
type source struct {
	name    string
	scheme  *signature.Scheme
	allow   []netip.Prefix
	types   []string
	mapping mapping
	schema  *schema
	secrets []string // header names that a redacted view hides

	past, future time.Duration // freshness; zero when the scheme signs no time
	// remember is how long a claim lives; zero for a scheme that signs a time, whose
	// nonces live in the duplicate window.
	remember time.Duration
}

// claims says whether the source's nonces need a claim that outlives the window.
func (s *source) claims() bool { return s.remember > 0 }

// ruleset is one generation of the configuration, compiled whole and swapped whole.
type ruleset struct {
	sources map[string]*source
	// lookback is the longest distance between the receipts of two copies that are both fresh.
	lookback time.Duration
}

// compile builds a ruleset, or returns every mistake at once, each with its place in the file.
func compile(cfg *config.Config) (*ruleset, error) {
	rules := &ruleset{sources: map[string]*source{}}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Sources)) {
		if cfg.Sources[name].Disabled {
			continue
		}
		s, errs := compileSource(cfg, name)
		problems = append(problems, errs...)
		if s != nil {
			rules.sources[name] = s
			rules.lookback = max(rules.lookback, s.past+s.future)
		}
	}
	problems = append(problems, sharedKeys(cfg, rules)...)
	return rules, config.Collect(problems...)
}

// sharedKeys refuses one secret on two sources: a request proved to one would prove itself
// to the other.
func sharedKeys(cfg *config.Config, rules *ruleset) []error {
	var problems []error
	names := slices.Sorted(maps.Keys(rules.sources))
	for i, name := range names {
		for _, other := range names[:i] {
			id, otherID, shared := rules.sources[name].scheme.SharesKey(rules.sources[other].scheme)
			if shared {
				problems = append(problems, cfg.Problem("sources."+name+".verify.keys", fmt.Errorf("key %s has the same secret as key %s of source %s: every source needs its own", id, otherID, other)))
			}
		}
	}
	return problems
}

func compileSource(cfg *config.Config, name string) (*source, []error) {
	c := cfg.Sources[name]
	at := "sources." + name
	var problems []error
	note := func(path string, err error) {
		if err != nil {
			problems = append(problems, cfg.Problem(at+path, err))
		}
	}
	s := &source{name: name, allow: c.Allow.Addresses, types: c.Allow.Types}
	keys, errs := resolveKeys(cfg, name)
	problems = append(problems, errs...)
	var err error
	s.schema, err = loadSchema(c.Schema)
	note(".schema", err)
	variant, spec, err := resolve(c)
	note(".verify", err)
	if err != nil {
		return nil, problems
	}
	var wrong map[string]error
	s.mapping, wrong = compileMapping(c.Event, variant.Event)
	for _, field := range slices.Sorted(maps.Keys(wrong)) {
		note(".event."+field, wrong[field])
	}
	if len(errs) == 0 {
		s.scheme, err = signature.Compile(spec, signature.Options{
			With: c.Verify.With, Keys: keys, Tolerance: time.Duration(c.Verify.Tolerance),
			Skew: time.Duration(cfg.Verifier.Skew), AllowWeakSecret: c.Verify.AllowWeakSecret,
		})
		note(".verify", err)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	s.setTimes(c)
	for _, h := range variant.Shape() {
		s.secrets = append(s.secrets, h.Name)
	}
	return s, nil
}

// setTimes takes freshness from the scheme; one that signs no time remembers by claims.
func (s *source) setTimes(c config.Source) {
	s.past, s.future = s.scheme.Freshness()
	if !s.scheme.Coverage().Timestamp {
		s.past, s.future, s.remember = 0, 0, time.Duration(c.Verify.Remember)
	}
}

// resolveKeys reads a source's secrets. This is the only place where the guard does.
func resolveKeys(cfg *config.Config, name string) ([]signature.Key, []error) {
	var keys []signature.Key
	var problems []error
	for i, k := range cfg.Sources[name].Verify.Keys {
		at := fmt.Sprintf("sources.%s.verify.keys[%d].secret", name, i)
		secret, err := k.Secret.Resolve()
		if err != nil {
			problems = append(problems, cfg.Problem(at, err))
			continue
		}
		keys = append(keys, signature.Key{ID: k.ID, Secret: secret.Reveal(), NotBefore: k.NotBefore, NotAfter: k.NotAfter, Revoked: k.Revoked})
	}
	return keys, problems
}

// Check reports every mistake that New would find in a configuration, resolving its
// secrets but opening no connection.
func Check(cfg *config.Config) error {
	_, err := compile(cfg)
	return err
}

// Claims says whether a source's nonces need claims, because its scheme signs no time.
func Claims(c config.Source) (bool, error) {
	variant, _, err := resolve(c)
	if err != nil {
		return false, err
	}
	return variant.Timestamp == nil, nil
}

func resolve(c config.Source) (*provider.Variant, *provider.Spec, error) {
	spec, err := provider.Load(c.Verify.Provider)
	if err != nil {
		return nil, nil, err
	}
	variant, err := spec.Resolve(c.Verify.With)
	return variant, spec, err
}

// backlog is how long a message may wait before its copies could have left the window.
// Without it, a window no longer than what freshness lets in would be over for every
// message, and each would have to be looked up among the stored ones.
const backlog = 10 * time.Minute

// Window is the duplicate window that the sources need: long enough for every copy that
// freshness lets in after a backlog, and for every repeat that a sender makes of its own
// accord. verifier.min_window takes the place of the allowance for a backlog.
func Window(cfg *config.Config) (time.Duration, error) {
	window, slack := time.Duration(cfg.Verifier.MinWindow), time.Duration(0)
	if window == 0 {
		window, slack = backlog, backlog
	}
	for name, c := range cfg.Sources {
		if c.Disabled {
			continue
		}
		need, err := sourceWindow(c, time.Duration(cfg.Verifier.Skew), slack)
		if err != nil {
			return 0, cfg.Problem("sources."+name+".verify", err)
		}
		window = max(window, need)
	}
	return window, nil
}

// sourceWindow needs no secret, so that set-up can run without any.
func sourceWindow(c config.Source, skew, slack time.Duration) (time.Duration, error) {
	variant, spec, err := resolve(c)
	if err != nil {
		return 0, err
	}
	if variant.Timestamp == nil {
		return 0, nil // claims remember, not the window
	}
	past := time.Duration(c.Verify.Tolerance)
	if past == 0 {
		past = variant.Timestamp.Past
	}
	horizon := time.Duration(c.Verify.RetryHorizon)
	if horizon == 0 {
		horizon = spec.RetryHorizon
	}
	return max(past+skew+slack, horizon), nil
}
