package dispatcher

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/dispatcher/target/http"
	"github.com/doorward/doorward/dispatcher/target/nats"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/nats-io/nats.go/jetstream"
)

// route is one target's part of the configuration, compiled.
type route struct {
	name        string
	filter      *filter
	target      target.Target
	schedule    schedule
	ordered     bool
	concurrency int
	filters     []string // subjects that the consumer must have, sorted
	gauge       gauge
	config      config.Target
	secret      [sha256.Size]byte // digest of the signing secret, to notice a rotation
}

// routes compiles every target, or reports every mistake with its place in the file.
func (k *kit) routes(c *config.Config) (map[string]*route, error) {
	sources := map[string]bool{}
	for name := range c.Sources {
		sources[name] = true
	}
	out := map[string]*route{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		r, err := k.route(c, name)
		problems = append(problems, err)
		if err == nil {
			r.gauge = k.metrics.of(name, sources)
			out[name] = r
		}
	}
	return out, config.Collect(problems...)
}

func (k *kit) route(c *config.Config, name string) (*route, error) {
	t := c.Targets[name]
	r := &route{
		name: name, schedule: newSchedule(t.Retry, k.rand), ordered: t.Ordered,
		concurrency: max(t.Concurrency, 1), config: t,
	}
	for _, source := range t.From {
		r.filters = append(r.filters, k.names.VerifiedOf(source))
	}
	slices.Sort(r.filters)
	if t.Ordered {
		r.concurrency = 1
	}
	var problems []error
	var err error
	if r.filter, err = newFilter(t.When); err != nil {
		problems = append(problems, c.Problem("targets."+name+".when", err))
	}
	if err := k.compile(c, r); err != nil {
		problems = append(problems, err)
	}
	return r, config.Collect(problems...)
}

// compile makes the target itself, of the one kind that the configuration sets.
func (k *kit) compile(c *config.Config, r *route) error {
	at := "targets." + r.name
	switch t := r.config; {
	case t.NATS != nil:
		parts, err := config.ParseSubject(t.NATS.Subject, c.NATS.Prefix)
		if err != nil {
			return c.Problem(at+".nats.subject", err)
		}
		r.target = nats.New(nats.Settings{Name: r.name, Subject: parts, Publisher: k.publisher})
		return nil
	case t.HTTP != nil:
		return k.compileHTTP(c, r, at+".http")
	}
	return c.Problem(at, errors.New("a target needs nats or http"))
}

func (k *kit) compileHTTP(c *config.Config, r *route, at string) error {
	t := r.config.HTTP
	if err := Policy(c).Check(t.URL); err != nil {
		return c.Problem(at+".url", err)
	}
	signer, secret, err := signer(t.Sign)
	if err != nil {
		return c.Problem(at+".sign", err)
	}
	r.secret = secret
	r.target = http.New(http.Settings{
		URL: t.URL, Binary: t.Mode == "binary", Timeout: time.Duration(t.Timeout), Signer: signer, Egress: k.egress, Now: k.now,
	})
	return nil
}

// signer is nil without a reference: the target then gets unsigned requests.
func signer(ref config.Ref) (s *http.Signer, digest [sha256.Size]byte, err error) {
	if ref == "" {
		return nil, digest, nil
	}
	secret, err := ref.Resolve()
	if err != nil {
		return nil, digest, err
	}
	s, err = http.NewSigner(secret)
	return s, sha256.Sum256(secret.Reveal()), err
}

// Policy is what the configuration lets targets reach.
func Policy(c *config.Config) egress.Policy {
	return egress.Policy{AllowPrivate: c.Egress.AllowPrivate, Ports: c.Egress.Ports, AllowHTTP: c.Egress.AllowHTTP}
}

// fits says whether the consumer that set-up made is the one this target needs. Filters
// decide which events a target sees, and more than one under way would break order.
func (r *route) fits(info *jetstream.ConsumerInfo) error {
	have := info.Config.FilterSubjects
	if info.Config.FilterSubject != "" {
		have = []string{info.Config.FilterSubject}
	}
	have = slices.Sorted(slices.Values(have))
	switch {
	case !slices.Equal(have, r.filters):
		return fmt.Errorf("consumer %s has other sources than the configuration: run set-up", bus.TargetConsumer(r.name))
	case r.ordered && info.Config.MaxAckPending != 1:
		return fmt.Errorf("consumer %s lets %d events be under way, and an ordered target needs 1: run set-up", bus.TargetConsumer(r.name), info.Config.MaxAckPending)
	}
	return nil
}
