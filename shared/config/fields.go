package config

import "regexp"

// field is what the decoder and the JSON Schema know about one key beyond its Go type.
type field struct {
	doc      string
	required bool
	// def is the default: text as it is, lists and mappings as YAML. What the file does not say
	// in a mapping, the default of the mapping does.
	def  string
	enum []string
	// pattern must match the text, or each item of a list; want says the same in words.
	pattern *regexp.Regexp
	want    string
	// min and max are written as the field's own type is, and hold for items of a list.
	min, max string
	// names must match the keys of a mapping from names.
	names name
	// some says why a list that is present must not be empty.
	some string
	// blank allows empty text.
	blank bool
}

// name is a rule for names that become part of subjects and paths.
type name struct {
	pattern *regexp.Regexp
	want    string
}

// These follow from how names appear in subjects and in paths.
var (
	tokenName     = name{regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`), "must be 1 to 64 letters, digits, - or _"}
	sourceName    = name{regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`), "a source's name must be 1 to 63 lower-case letters, digits or -, and not begin with -"}
	parameterName = name{regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`), "must be a parameter's name"}
)

const anyIfAbsent = "must not be empty: leave the key out to allow any"

// fields is the documentation, the defaults and the limits of every key, by Go type and key.
var fields = map[string]field{
	"Config.version":  {doc: "The format's version.", required: true, min: "1", max: "1"},
	"Config.nats":     {doc: "The bus on which the doors meet; left out, an embedded server.", def: "{embedded: {}}"},
	"Config.ingress":  {doc: "The outer door.", def: "{}"},
	"Config.verifier": {doc: "The guard between the doors.", def: "{}"},
	"Config.admin":    {doc: "The operators' listener.", def: "{}"},
	"Config.egress":   {doc: "What outbound requests may reach; by default https on port 443 of public addresses.", def: "{}"},
	"Config.streams":  {doc: "Limits of what is kept.", def: "{}"},
	"Config.sources":  {doc: "Senders by name; each posts to /in/<name>.", names: sourceName},
	"Config.targets":  {doc: "Where verified events go, by name.", names: tokenName},

	"NATS.embedded":    {doc: "A NATS server inside the doorward process."},
	"NATS.url":         {doc: "Servers of an external cluster, separated by commas."},
	"NATS.credentials": {doc: "The nkey seed of each identity; only with url.", names: tokenName},
	"NATS.ca":          {doc: "PEM file that signs the cluster's certificate; the system's roots by default."},
	"NATS.prefix":      {doc: "First token of every subject and stream name.", def: "dw", pattern: tokenName.pattern, want: tokenName.want},
	"NATS.replicas":    {doc: "Copies of each stream.", def: "1", enum: []string{"1", "3", "5"}},
	"NATS.durability":  {doc: "What an accepted delivery survives: loss of power, or only the death of the process.", def: "power-loss", enum: []string{"power-loss", "process"}},

	"Embedded.store":     {doc: "State directory, locked while in use.", def: "./data"},
	"Embedded.listen":    {doc: "Loopback address for subscribers; port 0 draws one.", def: "127.0.0.1:4222"},
	"Embedded.max_bytes": {doc: "Limit of all streams together on disk.", def: "10GiB", min: "1MiB"},

	"Ingress.listen":          {doc: "Address for senders.", def: ":8080"},
	"Ingress.max_body":        {doc: "Largest request body that is stored; at most 8MiB.", def: "1MiB", min: "1B", max: "8MiB"},
	"Ingress.trusted_proxies": {doc: "Address prefixes that may set X-Forwarded-For."},
	"Ingress.public_url":      {doc: "The URL that senders use.", pattern: regexp.MustCompile(`^https?://[^\s?#@]+$`), want: "must be an http or https URL without user, query or fragment"},

	"Verifier.seal":          {doc: "HPKE private key that refused requests are sealed to; embedded: kept in the state directory."},
	"Verifier.nonce_key":     {doc: "Key of the nonces; embedded: kept in the state directory."},
	"Verifier.skew":          {doc: "How far in the future a signed time may lie.", def: "60s", max: "1h"},
	"Verifier.min_window":    {doc: "Least duplicate window of the verified stream, in place of ten minutes more than freshness lets in."},
	"Verifier.memory_budget": {doc: "Limit of the memory that nonces may need.", def: "1GiB", min: "1MiB"},

	"Admin.listen": {doc: "Loopback address of the operators' listener.", def: "127.0.0.1:9090"},
	"Admin.token":  {doc: "Bearer token of the API; embedded: kept in the state directory."},

	"Egress.allow_private": {doc: "Prefixes that may be dialled although they are not public."},
	"Egress.ports":         {doc: "Ports that may be dialled.", def: "[443]", min: "1", max: "65535", some: "must name at least one port"},
	"Egress.allow_http":    {doc: "Permits http:// to addresses of allow_private."},

	"Streams.raw":        {doc: "Requests as received, until verified.", def: "{max_bytes: 2GiB, max_messages: 100000}"},
	"Streams.verified":   {doc: "Verified events.", def: "{max_bytes: 2GiB, keep: 7d}"},
	"Streams.nonces":     {doc: "Claims that outlive the duplicate window.", def: "{max_bytes: 256MiB}"},
	"Streams.refused":    {doc: "Requests proved authentic and not admitted.", def: "{max_bytes: 512MiB, max_messages: 10000, keep: 14d}"},
	"Streams.quarantine": {doc: "Requests not proved authentic.", def: "{max_bytes: 512MiB, max_messages: 10000, keep: 7d}"},
	"Streams.out":        {doc: "What NATS targets keep.", def: "{max_bytes: 1GiB, keep: 7d}"},
	"Streams.dead":       {doc: "Verified events that could not be delivered.", def: "{max_bytes: 512MiB, keep: 14d}"},
	"Streams.held":       {doc: "Deliveries that can't be checked now.", def: "{max_bytes: 256MiB}"},
	"Streams.waits":      {doc: "Waits and what became of them.", def: "{max_bytes: 512MiB}"},
	"Streams.audit":      {doc: "What operators did.", def: "{max_bytes: 256MiB}"},

	"StreamLimit.max_bytes":    {doc: "Limit on disk.", min: "1KiB"},
	"StreamLimit.max_messages": {doc: "Limit for each subject (raw: for each source); 0 for none.", min: "0"},
	"StreamLimit.keep":         {doc: "How long; 0s for as long as the limits allow."},

	"Source.disabled": {doc: "Answers exactly as an unknown source."},
	"Source.verify":   {doc: "How the source proves itself.", required: true},
	"Source.allow":    {doc: "What a proven sender may do."},
	"Source.event":    {doc: "How a delivery becomes a CloudEvent."},
	"Source.schema":   {doc: "JSON Schema file that the body must satisfy."},
	"Source.max_body": {doc: "Lowers ingress.max_body for this source.", min: "1B", max: "8MiB"},

	"Verify.provider":          {doc: "Name of the scheme's specification.", required: true},
	"Verify.with":              {doc: "Parameters of the specification; never secrets.", names: parameterName, blank: true},
	"Verify.keys":              {doc: "Keys of which any may prove a delivery.", required: true, some: "needs at least one key"},
	"Verify.tolerance":         {doc: "How old a signed time may be at receipt; the provider's by default."},
	"Verify.retry_horizon":     {doc: "How long the sender repeats one delivery; the provider's by default."},
	"Verify.remember":          {doc: "How long deliveries without a signed time are remembered.", def: "168h", min: "1m"},
	"Verify.allow_weak_secret": {doc: "Accepts secrets under 24 bytes."},

	"Key.id":         {doc: "Names the key in events, metrics and logs.", required: true, pattern: tokenName.pattern, want: tokenName.want},
	"Key.secret":     {doc: "Where the secret is.", required: true},
	"Key.not_before": {doc: "Receipt time from which the key proves anything."},
	"Key.not_after":  {doc: "Receipt time up to which the key proves anything."},
	"Key.revoked":    {doc: "Refuses the key at any receipt time."},

	"Allow.addresses": {doc: "Address prefixes that requests may come from; any by default.", some: anyIfAbsent},
	"Allow.types":     {doc: "Event types, with a final .* as wildcard; any by default.", some: anyIfAbsent, pattern: regexp.MustCompile(`^[^\s*]+(\.\*)?$`), want: `must be an event type, with * only as a final ".*"`},

	"Event.type":          {doc: `CloudEvents type; an expression after "=".`},
	"Event.subject":       {doc: `CloudEvents subject; an expression after "=".`},
	"Event.id":            {doc: `CloudEvents id, stable across repetitions; an expression after "=".`},
	"Event.correlationid": {doc: `What a wait is found by; an expression after "=".`},
	"Event.source":        {doc: "CloudEvents source; doorward:<name> by default.", pattern: regexp.MustCompile(`^[!-~]+$`), want: "must be a URI reference"},

	"Target.from":        {doc: "Sources; all by default.", some: "must not be empty: leave the key out for all sources", pattern: sourceName.pattern, want: sourceName.want},
	"Target.when":        {doc: "Expression over event, source and data that must hold."},
	"Target.start":       {doc: "Where a new target begins: new, all or an RFC 3339 time.", def: "new", pattern: regexp.MustCompile(`^(new|all|[0-9]{4}-[0-9]{2}-[0-9]{2}T.+)$`), want: "must be new, all or a time such as 2026-12-31T00:00:00Z"},
	"Target.nats":        {doc: "Publishes to a subject that a stream keeps."},
	"Target.http":        {doc: "Posts CloudEvents."},
	"Target.retry":       {doc: "Schedule of attempts.", def: "{}"},
	"Target.ordered":     {doc: "Delivers one at a time, in order."},
	"Target.concurrency": {doc: "Deliveries under way at once; 16 for http, 1024 for nats, 1 if ordered.", min: "1", max: "65536"},

	"NATSTarget.subject": {doc: "Template of literals and {id}, {source}, {type}, {subject}, {correlationid}.", required: true},

	"HTTPTarget.url":     {doc: "Where to post.", required: true},
	"HTTPTarget.sign":    {doc: "Standard Webhooks secret that signs each request."},
	"HTTPTarget.mode":    {doc: "structured: the signature covers every attribute; binary: only id, time and data.", def: "structured", enum: []string{"structured", "binary"}},
	"HTTPTarget.timeout": {doc: "Limit of one attempt.", def: "10s", min: "1ms", max: "60s"},

	"Retry.attempts": {doc: "Attempts in all.", def: "8", min: "1", max: "100"},
	"Retry.backoff":  {doc: "Pauses before the second, third … attempt; the last is repeated.", def: "[1s, 5s, 30s, 2m, 10m, 30m, 1h]", some: "must name at least one pause"},
}

// exclusive are the mappings that need exactly one of two keys.
var exclusive = map[string][2]string{
	"NATS":   {"embedded", "url"},
	"Target": {"nats", "http"},
}
