// Package config reads doorward.yaml: strictly, as text and references.
//
// It promises that every mistake in a file is reported at once, each with file,
// line, column, the source line and a caret, and that no secret is read here:
// secrets stay references until the door that needs one resolves it. What a
// field means to a door (a compiled signature scheme, an expression, a schema)
// is that door's business.
package config

import (
	"net/netip"
	"time"
)

// Config is one doorward.yaml after strict decoding and validation, with every
// default filled in. Relative paths are already resolved against the file's directory.
type Config struct {
	// Path is the file that was read, "" when decoded from memory.
	Path string `yaml:"-"`
	// Version is the format's version; only 1 exists.
	Version  int               `yaml:"version"`
	NATS     NATS              `yaml:"nats"`
	Ingress  Ingress           `yaml:"ingress"`
	Verifier Verifier          `yaml:"verifier"`
	Admin    Admin             `yaml:"admin"`
	Egress   Egress            `yaml:"egress"`
	Streams  Streams           `yaml:"streams"`
	Sources  map[string]Source `yaml:"sources"`
	Targets  map[string]Target `yaml:"targets"`

	// origin lets later mistakes be reported where they stand; nil for a Config built by hand.
	origin *origin
}

// NATS says which bus the doors meet on. Exactly one of Embedded and URL is set;
// an absent block means Embedded with its defaults.
type NATS struct {
	Embedded *Embedded `yaml:"embedded"`
	// URL is a comma-separated list of servers of an external cluster.
	URL string `yaml:"url"`
	// Credentials maps an identity of shared/bus ("ingress", "verifier", "verifier-edge",
	// "dispatcher", "ops", "setup-edge" …) to its nkey seed. Only for URL.
	Credentials map[string]Ref `yaml:"credentials"`
	// CA is a PEM file that signs the cluster's certificate; empty means the system's roots.
	CA string `yaml:"ca"`
	// Prefix starts every subject and stream name; default "dw". One token.
	Prefix string `yaml:"prefix"`
	// Replicas is the number of copies of each stream; default 1, odd, at most 5.
	Replicas int `yaml:"replicas"`
	// Durability is PowerLoss (default) or Process.
	Durability Durability `yaml:"durability"`
}

// Embedded configures the NATS server inside the doorward process.
type Embedded struct {
	// Store is the state directory; default ./data. It is locked while in use.
	Store string `yaml:"store"`
	// Listen is the loopback address for subscribers; default 127.0.0.1:4222. Port 0 draws one.
	Listen string `yaml:"listen"`
	// MaxBytes bounds all streams together on disk; default 10GiB.
	MaxBytes Bytes `yaml:"max_bytes"`
}

// Durability says what a 2xx survives.
type Durability string

// The two durabilities.
const (
	// PowerLoss: fsynced before the answer (embedded), or a quorum of replicas (cluster).
	PowerLoss Durability = "power-loss"
	// Process: survives the death of the process, not of the machine.
	Process Durability = "process"
)

// Ingress configures the outer door.
type Ingress struct {
	// Listen is the address for senders; default ":8080".
	Listen string `yaml:"listen"`
	// MaxBody is the largest request body stored; default 1MiB, at most 8MiB and below the bus's max payload.
	MaxBody Bytes `yaml:"max_body"`
	// TrustedProxies may set X-Forwarded-For; nobody by default.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// PublicURL is what senders use, for example https://hooks.example.com; printed, and signed by some schemes.
	PublicURL string `yaml:"public_url"`
}

// Verifier configures the guard.
type Verifier struct {
	// Seal is the HPKE private key that refused and quarantined requests are sealed to.
	// The embedded default keeps one in the state directory.
	Seal Ref `yaml:"seal"`
	// NonceKey keys the nonces. The embedded default keeps one in the state directory.
	NonceKey Ref `yaml:"nonce_key"`
	// Skew is how far in the future a signed time may lie; default 60s.
	Skew Duration `yaml:"skew"`
	// MinWindow takes the place of the ten minutes by which the duplicate window of the verified
	// stream exceeds what freshness lets in, and is the least it will be.
	MinWindow Duration `yaml:"min_window"`
	// MemoryBudget bounds the memory that nonces may need; loading refuses more. Default 1GiB.
	MemoryBudget Bytes `yaml:"memory_budget"`
}

// Admin configures the operators' listener. Only loopback is accepted.
type Admin struct {
	// Listen defaults to 127.0.0.1:9090.
	Listen string `yaml:"listen"`
	// Token is the bearer token of the API. The embedded default keeps one in the state directory.
	Token Ref `yaml:"token"`
}

// Egress configures what outbound requests may reach. By default https on port 443 of public addresses.
type Egress struct {
	// AllowPrivate lists prefixes that may be dialled although they are not public.
	AllowPrivate []netip.Prefix `yaml:"allow_private"`
	// Ports that may be dialled on; default [443].
	Ports []int `yaml:"ports"`
	// AllowHTTP permits http:// to addresses of AllowPrivate, never to public ones.
	AllowHTTP bool `yaml:"allow_http"`
}

// Streams bounds what is kept. Zero values take the defaults in their comments.
type Streams struct {
	Raw        StreamLimit `yaml:"raw"`        // 2GiB, 100,000 messages a source
	Verified   StreamLimit `yaml:"verified"`   // 2GiB, keep 7d
	Nonces     StreamLimit `yaml:"nonces"`     // 256MiB
	Refused    StreamLimit `yaml:"refused"`    // 512MiB, 10,000 messages a subject, keep 14d
	Quarantine StreamLimit `yaml:"quarantine"` // 512MiB, 10,000 messages a subject, keep 7d
	Out        StreamLimit `yaml:"out"`        // 1GiB, keep 7d
	Dead       StreamLimit `yaml:"dead"`       // 512MiB, keep 14d
	Held       StreamLimit `yaml:"held"`       // 256MiB
	Waits      StreamLimit `yaml:"waits"`      // 512MiB
	Audit      StreamLimit `yaml:"audit"`      // 256MiB
}

// StreamLimit bounds one stream.
type StreamLimit struct {
	MaxBytes Bytes `yaml:"max_bytes"`
	// MaxMessages is per subject (for raw: per source); 0 means no limit but bytes.
	MaxMessages int64 `yaml:"max_messages"`
	// Keep is how long; 0 means as long as bytes allow.
	Keep Duration `yaml:"keep"`
}

// Source is one sender, addressed by POST /in/<name>.
type Source struct {
	// Disabled answers exactly as an unknown source.
	Disabled bool   `yaml:"disabled"`
	Verify   Verify `yaml:"verify"`
	Allow    Allow  `yaml:"allow"`
	Event    Event  `yaml:"event"`
	// Schema is a JSON Schema file that the body must satisfy; "" for none.
	Schema string `yaml:"schema"`
	// MaxBody lowers Ingress.MaxBody for this source.
	MaxBody Bytes `yaml:"max_body"`
}

// Verify says how a source proves itself.
type Verify struct {
	// Provider names a spec of shared/provider: standard-webhooks, github, stripe, slack, hmac.
	Provider string `yaml:"provider"`
	// With sets the spec's parameters, for example the header of a generic hmac.
	With map[string]string `yaml:"with"`
	Keys []Key             `yaml:"keys"`
	// Tolerance is how old a signed time may be at receipt; 0 takes the provider's (usually 5m).
	Tolerance Duration `yaml:"tolerance"`
	// RetryHorizon is how long the sender repeats one delivery; 0 takes the provider's.
	RetryHorizon Duration `yaml:"retry_horizon"`
	// Remember is how long a source without a signed time remembers what it has seen; default 168h.
	Remember Duration `yaml:"remember"`
	// AllowWeakSecret accepts secrets under 24 bytes.
	AllowWeakSecret bool `yaml:"allow_weak_secret"`
}

// Key is one of a source's keys. Several may be valid at once, for rotation without a gap.
type Key struct {
	// ID names the key in events, metrics and logs. A token.
	ID     string `yaml:"id"`
	Secret Ref    `yaml:"secret"`
	// NotBefore and NotAfter bound the time of receipt at which the key proves anything; zero means no bound.
	NotBefore time.Time `yaml:"not_before"`
	NotAfter  time.Time `yaml:"not_after"`
	// Revoked refuses at any receipt time.
	Revoked bool `yaml:"revoked"`
}

// Allow narrows what a proven sender may do.
type Allow struct {
	// Addresses the request may come from; empty means any.
	Addresses []netip.Prefix `yaml:"addresses"`
	// Types of events, with a trailing ".*" as wildcard; empty means any.
	Types []string `yaml:"types"`
}

// Event maps a delivery to CloudEvents attributes. A value that starts with "=" is an
// expression over body, header and source; anything else is literal. Empty takes the provider's preset.
type Event struct {
	Type          Expr `yaml:"type"`
	Subject       Expr `yaml:"subject"`
	ID            Expr `yaml:"id"`
	CorrelationID Expr `yaml:"correlationid"`
	// Source is the CloudEvents source, a URI reference; default "doorward:<name>".
	Source string `yaml:"source"`
}

// Target is somewhere verified events go. Exactly one of NATS and HTTP is set.
type Target struct {
	// From lists the sources; empty means all.
	From []string `yaml:"from"`
	// When is an expression over event, source and data that must hold; "" means always.
	When string `yaml:"when"`
	// Start is "new" (default), "all" or an RFC 3339 time: where a new target begins.
	Start string      `yaml:"start"`
	NATS  *NATSTarget `yaml:"nats"`
	HTTP  *HTTPTarget `yaml:"http"`
	Retry Retry       `yaml:"retry"`
	// Ordered delivers one at a time, in order, and waits for each.
	Ordered bool `yaml:"ordered"`
	// Concurrency is how many deliveries may be under way; default 16 (HTTP), 1024 (NATS).
	Concurrency int `yaml:"concurrency"`
}

// NATSTarget publishes to a subject that a stream keeps.
type NATSTarget struct {
	// Subject is a template: {id} {source} {type} {subject} {correlationid} are token-encoded event attributes.
	Subject string `yaml:"subject"`
}

// HTTPTarget posts CloudEvents.
type HTTPTarget struct {
	URL string `yaml:"url"`
	// Sign is the Standard Webhooks secret (whsec_…) that signs each request.
	Sign Ref `yaml:"sign"`
	// Mode is "structured" (default: the signature covers every attribute) or "binary" (it covers only id, time and data).
	Mode string `yaml:"mode"`
	// Timeout of one attempt; default 10s, at most 60s.
	Timeout Duration `yaml:"timeout"`
}

// Retry is a target's schedule. After the last attempt the event is a dead letter.
type Retry struct {
	// Attempts in all; default 8.
	Attempts int `yaml:"attempts"`
	// Backoff before the second, third … attempt; the last is repeated. Default 1s 5s 30s 2m 10m 30m 1h.
	Backoff []Duration `yaml:"backoff"`
}
