package program

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/verifier"
)

// LayoutOf is the bus that a configuration asks for. It needs no secret.
func LayoutOf(cfg *config.Config) (bus.Layout, error) {
	window, err := verifier.Window(cfg)
	if err != nil {
		return bus.Layout{}, err
	}
	l := bus.Layout{Names: bus.NewNames(cfg.NATS.Prefix), Replicas: cfg.NATS.Replicas, Window: window, Limits: limits(cfg.Streams)}
	for _, name := range slices.Sorted(maps.Keys(cfg.Targets)) {
		t, err := targetOf(cfg, name)
		if err != nil {
			return bus.Layout{}, err
		}
		l.Targets = append(l.Targets, t)
	}
	return l, checkMemory(cfg, window)
}

func limits(s config.Streams) map[bus.Stream]bus.Limit {
	out := map[bus.Stream]bus.Limit{}
	for name, l := range map[bus.Stream]config.StreamLimit{
		bus.Raw: s.Raw, bus.Verified: s.Verified, bus.Nonces: s.Nonces, bus.Refused: s.Refused, bus.Quarantine: s.Quarantine,
		bus.Outbox: s.Out, bus.Dead: s.Dead, bus.Held: s.Held, bus.Waits: s.Waits, bus.AuditLog: s.Audit,
	} {
		out[name] = bus.Limit{MaxBytes: int64(l.MaxBytes), MaxMessages: l.MaxMessages, Keep: time.Duration(l.Keep)}
	}
	return out
}

func targetOf(cfg *config.Config, name string) (bus.Target, error) {
	c := cfg.Targets[name]
	t := bus.Target{Name: name, Sources: c.From, Pending: pendingOf(c)}
	switch c.Start {
	case "", "new":
	case "all":
		t.Start.All = true
	default:
		at, err := time.Parse(time.RFC3339, c.Start)
		if err != nil {
			return t, cfg.Problem("targets."+name+".start", err)
		}
		t.Start.Time = at
	}
	if c.NATS == nil {
		return t, nil
	}
	parts, err := config.ParseSubject(c.NATS.Subject, cfg.NATS.Prefix)
	if err != nil {
		return t, cfg.Problem("targets."+name+".nats.subject", err)
	}
	t.Subject = subjectFilter(parts)
	return t, nil
}

// pendingOf leaves room for deliveries that wait for their next attempt: a delayed NAK
// holds its place.
func pendingOf(c config.Target) int {
	if c.Ordered {
		return 1
	}
	return max(4*c.Concurrency, 1024)
}

// subjectFilter covers every subject that a template can make: a token with an attribute
// may be any token.
func subjectFilter(parts []config.SubjectPart) string {
	var filter, token string
	wild := false
	flush := func() {
		if wild {
			token = "*"
		}
		filter, token, wild = filter+token, "", false
	}
	for _, p := range parts {
		switch {
		case p.Attribute != "":
			wild = true
		case p.Literal == ".":
			flush()
			filter += "."
		default:
			token += p.Literal
		}
	}
	flush()
	return filter
}

// What the server keeps in memory for one remembered id, and the least that one takes on
// disk: measured on nats-server 2.15.2 with ids of 32 characters.
const (
	bytesPerNonce  = 134
	bytesPerClaim  = 260
	leastEventSize = 700
	leastClaimSize = 200
)

// MemoryNeed is the most memory that nonces can need: as many as the streams' limits let
// in, whatever the window.
func MemoryNeed(cfg *config.Config) config.Bytes {
	ids := int64(cfg.Streams.Verified.MaxBytes) / leastEventSize
	claims := int64(cfg.Streams.Nonces.MaxBytes) / leastClaimSize
	if !anyClaims(cfg) {
		claims = 0
	}
	return config.Bytes(ids*bytesPerNonce + claims*bytesPerClaim)
}

func anyClaims(cfg *config.Config) bool {
	for _, s := range cfg.Sources {
		if claims, err := verifier.Claims(s); err == nil && claims && !s.Disabled {
			return true
		}
	}
	return false
}

func checkMemory(cfg *config.Config, window time.Duration) error {
	need := MemoryNeed(cfg)
	if need <= cfg.Verifier.MemoryBudget {
		return nil
	}
	return cfg.Problem("verifier.memory_budget", fmt.Errorf(
		"nonces can need %s of memory (window %s, streams.verified.max_bytes %s, streams.nonces.max_bytes %s), the budget is %s: raise it, or lower those",
		need, window, cfg.Streams.Verified.MaxBytes, cfg.Streams.Nonces.MaxBytes, cfg.Verifier.MemoryBudget))
}

// RawOvercommitment is how many times over the raw stream's bytes would be used if every
// source filled its share with bodies of its largest size; up to 1 no source can take
// another's room.
func RawOvercommitment(cfg *config.Config) float64 {
	var most float64
	for _, s := range cfg.Sources {
		if !s.Disabled {
			most += float64(cfg.Streams.Raw.MaxMessages) * float64(s.MaxBody)
		}
	}
	if cfg.Streams.Raw.MaxBytes == 0 {
		return 0
	}
	return most / float64(cfg.Streams.Raw.MaxBytes)
}
