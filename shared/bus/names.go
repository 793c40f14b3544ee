// Package bus is the one table of everything that lives on NATS: accounts, users,
// permissions, streams, consumers, subjects and headers.
//
// It promises that nothing else in Doorward spells one of these out, that set-up is
// idempotent and refuses, by name, whatever exists and differs, and that two ids can
// never meet on one subject. Why each wall stands where it does is told beside it.
package bus

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Lanes is the number of consumers that share the raw stream. 64 drained at a quarter
// to a half of one consumer's rate on nats-server 2.15.2, 16 at all of it.
const Lanes = 16

// Headers that only Doorward sets. No HTTP header ever becomes a NATS header.
const (
	HeaderDelivery = "Dw-Delivery" // delivery id, a ULID
	HeaderPeer     = "Dw-Peer"     // address the request came from, as the ingress judged it
	HeaderTLS      = "Dw-Tls"      // TLS version and client certificate digest, or "none"
	HeaderReply    = "Dw-Reply"    // inbox that waits for a verdict
	HeaderRaw      = "Dw-Raw"      // raw sequence a record answers for
	HeaderReason   = "Dw-Reason"   // outcome.Reason of a record
	HeaderSource   = "Dw-Source"   // source of a record
	HeaderReceived = "Dw-Received" // receipt time of the raw message, RFC 3339 with nanoseconds
	HeaderReplayOf = "Dw-Replay-Of"
	HeaderKeyID    = "Dw-Seal-Key" // key that a record's request is sealed to
	HeaderOriginal = "Dw-Original" // verified sequence that a duplicate repeats
	HeaderTarget   = "Dw-Target"
	HeaderAttempts = "Dw-Attempts"
	HeaderDetail   = "Dw-Detail" // what went wrong, sanitised, for operators
	HeaderDigest   = "Dw-Digest" // SHA-256 of a body, hex
	HeaderEvent    = "Dw-Event"  // verified sequence that a dead letter holds
)

// Headers of JetStream that Doorward uses.
const (
	MsgID               = "Nats-Msg-Id"
	ExpectedLastSubjSeq = "Nats-Expected-Last-Subject-Sequence"
	TTL                 = "Nats-TTL"
)

// Accounts. An account is the wall; a subject permission is not: whoever may send any
// request makes the server publish the answer on any subject of his own account.
const (
	Edge   = "EDGE"   // ingress
	Core   = "CORE"   // the verifier alone
	Out    = "OUT"    // dispatcher
	Apps   = "APPS"   // subscribers, no right to publish
	Agents = "AGENTS" // requests only
	Ops    = "OPS"    // operators
	Audit  = "AUDIT"  // what operators did
)

// API prefixes under which an account sees another one's JetStream.
const (
	APILocal = "$JS.API"
	APIEdge  = "dw.js.edge"
	APICore  = "dw.js.core"
	APIOut   = "dw.js.out"
	APIAudit = "dw.js.audit"
)

// PinGroup is the priority group of the lane consumers.
const PinGroup = "v"

// Names spells subjects and streams under one prefix; a tenant is a prefix of its own.
type Names struct{ prefix string }

// NewNames returns the names under prefix, one token; "" means "dw".
func NewNames(prefix string) Names {
	if prefix == "" {
		prefix = "dw"
	}
	return Names{prefix}
}

// Stream is the full name of a stream, for example DW_RAW.
func (n Names) Stream(s Stream) string { return strings.ToUpper(n.prefix) + "_" + string(s) }

func (n Names) join(tokens ...string) string { return n.prefix + "." + strings.Join(tokens, ".") }

// Raw is where the ingress publishes a source's requests.
func (n Names) Raw(source string) string { return n.join("raw", LaneToken(LaneOf(source)), source) }

// RawLane filters one lane of the raw stream.
func (n Names) RawLane(lane int) string { return n.join("raw", LaneToken(lane), "*") }

// SourceOfRaw is the source token of a raw subject, "" when the subject is not one.
func (n Names) SourceOfRaw(subject string) string {
	rest, ok := strings.CutPrefix(subject, n.prefix+".raw.")
	if !ok || len(rest) < 4 || rest[2] != '.' {
		return ""
	}
	return rest[3:]
}

// In is the private input subject for a verified event; the stream stores it as Verified.
func (n Names) In(source, eventType string) string {
	return n.join("in", source) + "." + TypeTokens(eventType)
}

// Verified is the public subject of a verified event.
func (n Names) Verified(source, eventType string) string {
	return n.join("verified", source) + "." + TypeTokens(eventType)
}

// VerifiedOf filters the verified events of one source.
func (n Names) VerifiedOf(source string) string { return n.join("verified", source, ">") }

// Nonce is the subject of a claim; digest is a token already.
func (n Names) Nonce(source, digest string) string { return n.join("nonce", source, digest) }

// Refused is where refusals (and duplicates) of a source are recorded.
func (n Names) Refused(source, reason string) string { return n.join("refused", source, reason) }

// Quarantine is where unproved requests of a source are recorded.
func (n Names) Quarantine(source, reason string) string { return n.join("quarantine", source, reason) }

// Dead is where a target's dead letters are kept.
func (n Names) Dead(target, reason string) string { return n.join("dead", target, reason) }

// Live is the core subject on which whoever watches sees stored records, headers only.
func (n Names) Live(tokens ...string) string { return n.join(append([]string{"live"}, tokens...)...) }

// ReplayOrder is where operators ask for a replay from a stream ("refused", "quarantine", "dead").
func (n Names) ReplayOrder(from, id string) string { return n.join("replay", "order", from, id) }

// ReplayDone is where the outcome of a replay is kept.
func (n Names) ReplayDone(id string) string { return n.join("replay", "done", id) }

// AuditEntry is where an operator's act is recorded before it happens.
func (n Names) AuditEntry(kind string) string { return n.join("audit", kind) }

// All is a subject under the prefix with a trailing wildcard, for example dw.verified.>.
func (n Names) All(first string) string { return n.join(first, ">") }

// LaneOf is the lane of a source: a hash, so that it never moves.
func LaneOf(source string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(source))
	return int(h.Sum32() % Lanes)
}

// LaneToken is the two-digit token of a lane.
func LaneToken(lane int) string { return fmt.Sprintf("%02d", lane) }

// LaneConsumer is the durable name of a lane's consumer.
func LaneConsumer(lane int) string { return "lane-" + LaneToken(lane) }

// TargetConsumer is the durable name of a target's consumer on the verified stream.
func TargetConsumer(target string) string { return "target-" + target }

// ReaderConsumer is the durable name under which agents read what a NATS target stored.
func ReaderConsumer(target string) string { return "reader-" + target }
