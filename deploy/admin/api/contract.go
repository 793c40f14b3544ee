// Package api is the contract of the operators' HTTP API: requests, answers and a client.
//
// It promises that whoever speaks through Client gets an answer of these types or an
// error that says whether the door could not be reached (ErrUnreachable) or why it
// refused (*Problem). Times are RFC 3339, UTC.
package api

import (
	"encoding/json"
	"time"
)

// Origins of a dead letter: the stream that keeps it.
const (
	FromDead       = "dead"       // verified, and a target did not take it
	FromRefused    = "refused"    // proved authentic, not admitted
	FromQuarantine = "quarantine" // not proved authentic
)

// Problem is an error as RFC 9457 says it, with the next step for whoever reads it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Fix    string `json:"fix,omitempty"`
}

// Error is the detail, or the title when there is none.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Version is the running program's.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go,omitempty"`
}

// Stats is the state of every stage at one moment.
type Stats struct {
	At      time.Time  `json:"at"`
	Streams []Store    `json:"streams"`
	Lanes   []Consumer `json:"lanes"`
	Targets []Consumer `json:"targets"`
	// Stored counts the messages that the outcome streams keep now, by source or target.
	Stored []Tally `json:"stored"`
}

// Store is one stream.
type Store struct {
	Stream   string `json:"stream"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	// MaxBytes is the stream's limit; 0 means none.
	MaxBytes uint64 `json:"max_bytes,omitempty"`
	LastSeq  uint64 `json:"last_seq"`
	// OldestSeconds is the age of the oldest message, 0 when the stream is empty.
	OldestSeconds float64 `json:"oldest_s"`
}

// Consumer is what waits before one worker: a lane of the verifier, or a target.
type Consumer struct {
	// Name is the lane's two digits, or the target's name.
	Name string `json:"name"`
	// Pending was not handed out yet.
	Pending uint64 `json:"pending"`
	// AckPending was handed out and is not done.
	AckPending    int     `json:"ack_pending"`
	Redelivered   int     `json:"redelivered"`
	OldestSeconds float64 `json:"oldest_s"`
	// Missing says that the bus has no such consumer.
	Missing bool `json:"missing,omitempty"`
}

// Tally is how many messages one stream keeps under one source (or target) and reason.
type Tally struct {
	Outcome string `json:"outcome"` // verified, refused, duplicate, quarantined, dead
	Source  string `json:"source,omitempty"`
	Target  string `json:"target,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Count   uint64 `json:"count"`
}

// States of the books.
const (
	Balanced   = "balanced"   // every settled request has exactly one outcome
	Unbalanced = "unbalanced" // a sequence is missing or doubled
	Incomplete = "incomplete" // outcomes were evicted by limits, so some sequences can't be proved
)

// Books compares every stored request with the outcomes that carry its raw sequence.
type Books struct {
	At time.Time `json:"at"`
	// Checkpoint is the last raw sequence that was compared.
	Checkpoint uint64 `json:"checkpoint"`
	// Since is the raw sequence up to which an earlier run vouches; State is about what came
	// after it. 0 after a full run.
	Since    uint64      `json:"since"`
	State    string      `json:"state"`
	Balanced bool        `json:"balanced"`
	Counts   BooksCounts `json:"counts"`
	// Missing and Doubled name raw sequences, ascending, at most 1,000 each; the counts are exact.
	Missing      []uint64 `json:"missing"`
	MissingCount uint64   `json:"missing_count"`
	Doubled      []uint64 `json:"doubled"`
	DoubledCount uint64   `json:"doubled_count"`
	// Unmarked outcomes carry no readable raw sequence; any unbalances the books.
	Unmarked uint64 `json:"unmarked"`
	// UnaccountedByEviction is how many of the missing the evicted records may explain. They
	// stay in Counts.Unaccounted for ever; the next run begins behind them.
	UnaccountedByEviction uint64  `json:"unaccounted_by_eviction"`
	Evicted               Evicted `json:"evicted"`
	// Replayed counts outcomes of replays; they are no part of the balance.
	Replayed BooksCounts `json:"replayed"`
}

// Accept lets the books go on behind what they found, which stays unaccounted for.
type Accept struct {
	// Note says what the operator found; it is kept in the audit.
	Note string `json:"note"`
}

// BooksCounts counts raw messages by what became of them, from the first one on.
type BooksCounts struct {
	Raw         uint64 `json:"raw"`
	Verified    uint64 `json:"verified"`
	Duplicate   uint64 `json:"duplicate"`
	Refused     uint64 `json:"refused"`
	Quarantined uint64 `json:"quarantined"`
	// Pending waits for the verifier.
	Pending uint64 `json:"pending"`
	// Unaccounted lost its record to a limit before the books had seen it.
	Unaccounted uint64 `json:"unaccounted"`
}

// Evicted counts records that are gone from an outcome stream since the earlier run.
type Evicted struct {
	Verified   uint64 `json:"verified"`
	Refused    uint64 `json:"refused"`
	Quarantine uint64 `json:"quarantine"`
}

// Step is one door's word about a delivery.
type Step struct {
	// Door is ingress, verifier, dispatcher or operator.
	Door string `json:"door"`
	// What is stored, verified, duplicate, refused, quarantined, delivered, dead, passed or replayed.
	What string `json:"what"`
	// Subject is the bus subject, or for the dispatcher the target.
	Subject string `json:"subject,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Fix     string `json:"fix,omitempty"`
	// Seq is the sequence in the stream that keeps this step, 0 when none does.
	Seq uint64    `json:"seq,omitempty"`
	At  time.Time `json:"at"`
	// AfterMillis counts from when the ingress gave the delivery its id.
	AfterMillis float64 `json:"after_ms"`
}

// Delivery is what is known of one delivery.
type Delivery struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	Steps  []Step `json:"steps"`
	// Final says that nothing more will happen: refused, quarantined or duplicate, or
	// verified and every target of the source has answered.
	Final bool `json:"final"`
	// OK says that it is final, verified (or known already), and that no target gave up.
	OK bool `json:"ok"`
}

// Passing is one step as it passes, on /v1/steps.
type Passing struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"`
	Type   string `json:"type,omitempty"`
	Step   Step   `json:"step"`
}

// DeadLetterQuery filters dead letters. Zero fields match all.
type DeadLetterQuery struct {
	// From is dead, refused or quarantine; "" means all three.
	From   string    `json:"from,omitempty"`
	Source string    `json:"source,omitempty"`
	Target string    `json:"target,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Limit is at most 1,000; 0 means 100.
	Limit int `json:"limit,omitempty"`
}

// DeadLetters is a list, newest first, with how many matched in all.
type DeadLetters struct {
	Rows    []DeadLetter   `json:"rows"`
	Matched int            `json:"matched"`
	Reasons []ReasonNumber `json:"reasons"` // most frequent first
}

// ReasonNumber is how many matched dead letters have one reason.
type ReasonNumber struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// DeadLetter is one row.
type DeadLetter struct {
	ID         string    `json:"id"` // "<from>:<seq>"
	From       string    `json:"from"`
	Seq        uint64    `json:"seq"`
	At         time.Time `json:"at"`
	AgeSeconds float64   `json:"age_s"`
	Source     string    `json:"source,omitempty"`
	Target     string    `json:"target,omitempty"`
	Stage      string    `json:"stage"` // verifier or dispatcher
	Reason     string    `json:"reason"`
	Attempts   int       `json:"attempts"`
	Type       string    `json:"type,omitempty"`
	Delivery   string    `json:"delivery,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	Fix        string    `json:"fix,omitempty"`
}

// DeadLetterDetail is one dead letter whole. What a sender signed or sealed is never in it.
type DeadLetterDetail struct {
	DeadLetter
	Received time.Time `json:"received,omitzero"`
	Peer     string    `json:"peer,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	SealKey  string    `json:"seal_key,omitempty"`
	// View is the redacted request of a refused or quarantined one, as text.
	View string `json:"view,omitempty"`
	// Attributes are the CloudEvents attributes of a dead one.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Data is a dead one's body; JSON is the same when it is declared as JSON and is.
	Data    []byte          `json:"data_base64,omitempty"`
	JSON    json.RawMessage `json:"data,omitempty"`
	Lineage Lineage         `json:"lineage"`
}

// Lineage ties a record to what it came from.
type Lineage struct {
	Raw      uint64 `json:"raw,omitempty"`       // raw sequence
	Event    uint64 `json:"event,omitempty"`     // verified sequence
	Original uint64 `json:"original,omitempty"`  // verified sequence that a duplicate repeats
	ReplayOf string `json:"replay_of,omitempty"` // delivery that this one replays
}

// ReplayRequest orders replays of one stream's messages: those in Seqs, or those that
// Filter matches.
type ReplayRequest struct {
	From         string           `json:"from"`
	Seqs         []uint64         `json:"seqs,omitempty"`
	Filter       *DeadLetterQuery `json:"filter,omitempty"`
	Note         string           `json:"note,omitempty"`
	DryRun       bool             `json:"dry_run,omitempty"`
	MayDuplicate bool             `json:"may_duplicate,omitempty"`
	// Limit bounds the orders of a filter, newest first; 0 means 100, at most 1,000.
	Limit int `json:"limit,omitempty"`
}

// Replays is what was ordered.
type Replays struct {
	Matched int           `json:"matched"`
	Orders  []ReplayOrder `json:"orders"`
	DryRun  bool          `json:"dry_run,omitempty"`
}

// ReplayOrder is one ordered replay. ID is also the delivery id of the replay; it is
// empty in a dry run.
type ReplayOrder struct {
	ID   string `json:"id,omitempty"`
	From string `json:"from"`
	Seq  uint64 `json:"seq"`
}

// Replay is the state of one order. Result is "" while Pending.
type Replay struct {
	ID      string    `json:"id"`
	Pending bool      `json:"pending"`
	Result  string    `json:"result,omitempty"` // verified, duplicate, refused, quarantined, delivered, dead, failed
	Reason  string    `json:"reason,omitempty"`
	Fix     string    `json:"fix,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Seq     uint64    `json:"seq,omitempty"`
	At      time.Time `json:"at,omitzero"`
}
