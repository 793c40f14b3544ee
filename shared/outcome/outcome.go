// Package outcome is the closed set of what can become of a delivery.
//
// A Reason is at once a metric label, a subject token and an API field, so the
// set never grows from input: only this table adds to it.
package outcome

// Verdict is what the verifier decides about one raw message.
type Verdict uint8

// The verdicts. Each raw message ends in exactly one of the first four; Retry is not an end.
const (
	// Verified: authentic, admitted and new; stored in the verified stream.
	Verified Verdict = iota
	// Duplicate: authentic and admitted, but known already.
	Duplicate
	// Refused: proved authentic, not admitted.
	Refused
	// Quarantined: not proved authentic.
	Quarantined
	// Retry: no decision could be made now.
	Retry
)

var verdictNames = [...]string{"verified", "duplicate", "refused", "quarantined", "retry"}

// String is the verdict's name as it stands in metrics and in the API.
func (v Verdict) String() string { return verdictNames[v] }

// Reason says why a delivery was not verified, or an event not delivered.
type Reason string

// Reasons that quarantine: the request was not proved authentic.
const (
	NoSignature        Reason = "no_signature"
	MalformedSignature Reason = "malformed_signature"
	BadSignature       Reason = "bad_signature"
	WrongAlgorithm     Reason = "wrong_algorithm"
	UnknownKey         Reason = "unknown_key"
	KeyExpired         Reason = "key_expired"
	KeyRevoked         Reason = "key_revoked"
	MTLSRequired       Reason = "mtls_required"
	ClaimsDenied       Reason = "claims_denied"
	IPDenied           Reason = "ip_denied"
)

// Reasons that refuse: the request is authentic and was not admitted.
const (
	Stale         Reason = "stale"
	Future        Reason = "future"
	Conflict      Reason = "conflict"
	EventDenied   Reason = "event_denied"
	Schema        Reason = "schema"
	JSON          Reason = "json"
	TooDeep       Reason = "too_deep"
	URLDenied     Reason = "url_denied"
	UnknownSource Reason = "unknown_source"
	WaitUnknown   Reason = "wait_unknown"
	WaitClosed    Reason = "wait_closed"
)

// DuplicateReason marks a delivery that is known already; it is recorded beside the refusals.
const DuplicateReason Reason = "duplicate"

// Internal marks what Doorward itself could not handle: a record that does not parse, a panic.
const Internal Reason = "internal"

// Reasons that end a target's delivery.
const (
	Target4xx     Reason = "target_4xx"
	Target5xx     Reason = "target_5xx"
	TargetTimeout Reason = "target_timeout"
	TargetGone    Reason = "target_gone"
	EgressDenied  Reason = "egress_denied"
	Expired       Reason = "expired"
)

// class is what a reason does and what the person who meets it can do.
type class struct {
	verdict Verdict
	fix     string
}

// table is the closed set, with the next step for whoever sees the reason.
var table = map[Reason]class{
	NoSignature:        {Quarantined, "send the provider's signature headers; a proxy in front may strip them"},
	MalformedSignature: {Quarantined, "the signature header is there but not in the provider's format; compare it with `doorward sign`"},
	BadSignature:       {Quarantined, "no configured key made this signature over these bytes: check the secret, and that nothing rewrites the body"},
	WrongAlgorithm:     {Quarantined, "the sender signs with another algorithm than the source is configured for"},
	UnknownKey:         {Quarantined, "the sender names a key that this source does not have"},
	KeyExpired:         {Quarantined, "the key that signed is outside its not_before and not_after: sign with the current key"},
	KeyRevoked:         {Quarantined, "the key that signed is revoked: sign with the current key"},
	MTLSRequired:       {Quarantined, "the source requires a client certificate"},
	ClaimsDenied:       {Quarantined, "the token's claims do not match the source"},
	IPDenied:           {Quarantined, "the sender's address is not on the source's allow.addresses"},
	Stale:              {Refused, "the signed time was too old at receipt: check the sender's clock, or raise verify.tolerance"},
	Future:             {Refused, "the signed time lay in the future at receipt: check the sender's clock"},
	Conflict:           {Refused, "this id was delivered before with another body: look for two senders sharing a key"},
	EventDenied:        {Refused, "the event type is not on the source's allow.types"},
	Schema:             {Refused, "the body does not satisfy the source's schema"},
	JSON:               {Refused, "the body is not strict JSON (duplicate keys, bad UTF-8 or trailing bytes), or the mapping found no value"},
	TooDeep:            {Refused, "the body nests deeper than 64 levels or holds a number longer than 64 characters"},
	URLDenied:          {Refused, "a URL in the body does not lead to a public address"},
	UnknownSource:      {Refused, "the source was removed from the configuration after the request was stored"},
	WaitUnknown:        {Refused, "no such wait"},
	WaitClosed:         {Refused, "the wait is over"},
	DuplicateReason:    {Duplicate, "nothing to do: the first copy was delivered"},
	Internal:           {Quarantined, "Doorward could not process this; see the log by delivery id"},
}

// targetReasons are the reasons that only the dispatcher uses.
var targetReasons = map[Reason]string{
	Target4xx:     "the target refused the event: correct the target, then `doorward dlq replay`",
	Target5xx:     "the target failed until attempts ran out: mend the target, then `doorward dlq replay`",
	TargetTimeout: "the target did not answer in time until attempts ran out",
	TargetGone:    "the target answered 410 Gone: remove it from the configuration or replay when it is back",
	EgressDenied:  "the target's address may not be dialled: see egress in the configuration",
	Expired:       "the event outlived the target's hold quota",
	Internal:      "Doorward could not deliver this; see the log by delivery id",
}

// Verdict is what the reason leads to at the verifier; ok is false for a reason outside the set
// or one that only targets have.
func (r Reason) Verdict() (v Verdict, ok bool) {
	c, ok := table[r]
	return c.verdict, ok
}

// Fix is one line that tells whoever meets the reason what to do next; "" outside the set.
func (r Reason) Fix() string {
	if c, ok := table[r]; ok {
		return c.fix
	}
	return targetReasons[r]
}

// Known says whether r is in the closed set.
func Known(r Reason) bool { return r.Fix() != "" }
