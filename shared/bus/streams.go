package bus

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Stream is a stream's name without the prefix.
type Stream string

// The streams.
const (
	Raw        Stream = "RAW"
	Verified   Stream = "VERIFIED"
	Nonces     Stream = "NONCES"
	Held       Stream = "HELD"
	Replay     Stream = "REPLAY"
	Refused    Stream = "REFUSED"
	Quarantine Stream = "QUARANTINE"
	Waits      Stream = "WAITS"
	Outbox     Stream = "OUT"
	Dead       Stream = "DEAD"
	Clock      Stream = "CLOCK"
	AuditLog   Stream = "AUDIT"
)

// Limit bounds one stream. Zero fields mean no such limit.
type Limit struct {
	MaxBytes    int64
	MaxMessages int64 // per subject
	Keep        time.Duration
}

// Target is what the bus must know of a target: its consumer and what it stores.
type Target struct {
	Name    string
	Sources []string // empty means all
	// Subject is the filter that covers a NATS target's subjects, "" for another kind.
	Subject string
	Start   Start
	// Pending bounds deliveries under way.
	Pending int
}

// Start is where a new target begins in the verified stream.
type Start struct {
	All  bool
	Time time.Time // zero means new events only, unless All
}

// Layout is all of the bus that configuration decides.
type Layout struct {
	Names    Names
	Replicas int
	Limits   map[Stream]Limit
	// Window is the duplicate window of the verified stream.
	Window  time.Duration
	Targets []Target
}

// Declared is one stream with the account that holds it and its consumers.
type Declared struct {
	Account   string
	Config    jetstream.StreamConfig
	Consumers []jetstream.ConsumerConfig
}

// recordWindow is how long the record streams refuse a second record of one raw
// message. A verifier that takes over looks further back by itself.
const recordWindow = 10 * time.Minute

// PinnedTTL is how long a lane stays with a verifier that stopped pulling.
const PinnedTTL = 3 * time.Second

// Streams is the table: every stream of the bus, in the order of a webhook's way.
func (l Layout) Streams() []Declared {
	return []Declared{
		{Edge, l.raw(), l.lanes()},
		{Core, l.verified(), l.targets()},
		{Core, l.nonces(), nil},
		{Core, l.stream(Held, jetstream.WorkQueuePolicy, jetstream.DiscardNew, l.Names.All("held")), nil},
		{Core, l.replay(), l.replayers()},
		{Core, l.record(Refused, "refused"), nil},
		{Core, l.record(Quarantine, "quarantine"), nil},
		{Out, l.waits(), nil},
		{Out, l.outbox(), l.readers()},
		{Out, l.record(Dead, "dead"), nil},
		{Out, l.clock(), nil},
		{Audit, l.audit(), nil},
	}
}

// stream is what all streams share: on disk, read directly, no roll-up, no deletes.
func (l Layout) stream(s Stream, keep jetstream.RetentionPolicy, full jetstream.DiscardPolicy, subjects ...string) jetstream.StreamConfig {
	limit := l.Limits[s]
	return jetstream.StreamConfig{
		Name:              l.Names.Stream(s),
		Subjects:          subjects,
		Retention:         keep,
		Discard:           full,
		MaxBytes:          orUnlimited(limit.MaxBytes),
		MaxMsgsPerSubject: orUnlimited(limit.MaxMessages),
		MaxAge:            limit.Keep,
		MaxMsgs:           -1,
		MaxConsumers:      -1,
		MaxMsgSize:        -1,
		Storage:           jetstream.FileStorage,
		Replicas:          max(l.Replicas, 1),
		Duplicates:        minWindow,
		AllowDirect:       true,
		DenyDelete:        true,
		ConsumerLimits:    jetstream.StreamConsumerLimits{},
	}
}

// minWindow is the shortest duplicate window the server takes; streams that are never
// given a message id have it.
const minWindow = 100 * time.Millisecond

func orUnlimited(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// raw keeps requests until the verifier is done with them and removes them. It is no work
// queue: that would sync the removal of each message on its own (decision 0006). No age
// limit: that would delete unprocessed work. No direct reads: only the verifier sees what
// senders sent.
func (l Layout) raw() jetstream.StreamConfig {
	c := l.stream(Raw, jetstream.LimitsPolicy, jetstream.DiscardNew, l.Names.join("raw", "*", "*"))
	c.MaxAge = 0
	c.DiscardNewPerSubject = c.MaxMsgsPerSubject > 0
	c.AllowDirect = false
	return c
}

// verified stores what comes in on the private subject under the public one, and only
// then republishes it there: a core subscriber never sees what the stream refused.
// With the input subject as source the server accepts the setting and never republishes.
func (l Layout) verified() jetstream.StreamConfig {
	c := l.stream(Verified, jetstream.LimitsPolicy, jetstream.DiscardNew, l.Names.All("in"))
	c.MaxAge = 0 // a janitor trims, below every target's ack floor
	c.MaxMsgsPerSubject = -1
	c.Duplicates = max(l.Window, minWindow)
	public := l.Names.All("verified")
	c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: l.Names.All("in"), Destination: public}
	c.RePublish = &jetstream.RePublish{Source: public, Destination: public}
	return c
}

// nonces holds claims that outlive the window, each with its own time to live.
func (l Layout) nonces() jetstream.StreamConfig {
	c := l.stream(Nonces, jetstream.LimitsPolicy, jetstream.DiscardNew, l.Names.join("nonce", "*", "*"))
	c.MaxAge = 0
	c.MaxMsgsPerSubject = 1
	c.AllowMsgTTL = true
	return c
}

// record is a stream of outcomes: the oldest give way, and the watching see headers.
func (l Layout) record(s Stream, first string) jetstream.StreamConfig {
	c := l.stream(s, jetstream.LimitsPolicy, jetstream.DiscardOld, l.Names.join(first, "*", "*"))
	c.Duplicates = recordWindow
	if c.MaxAge > 0 {
		c.Duplicates = min(recordWindow, c.MaxAge)
	}
	c.RePublish = &jetstream.RePublish{Source: l.Names.join(first, "*", "*"), Destination: l.Names.Live(first, "{{wildcard(1)}}", "{{wildcard(2)}}"), HeadersOnly: true}
	return c
}

func (l Layout) replay() jetstream.StreamConfig {
	c := l.stream(Replay, jetstream.LimitsPolicy, jetstream.DiscardOld, l.Names.All("replay"))
	c.Duplicates = recordWindow
	c.MaxAge = 30 * 24 * time.Hour
	c.MaxBytes = 64 << 20
	return c
}

func (l Layout) waits() jetstream.StreamConfig {
	c := l.stream(Waits, jetstream.LimitsPolicy, jetstream.DiscardNew, l.Names.join("wait", "*", "*"))
	c.MaxAge = 0
	c.RePublish = &jetstream.RePublish{Source: l.Names.join("wait", "*", "resume"), Destination: l.Names.join("resume", "{{wildcard(1)}}")}
	return c
}

// outbox keeps what NATS targets publish on subjects that no other stream covers.
func (l Layout) outbox() jetstream.StreamConfig {
	subjects := []string{l.Names.All("out")}
	for _, t := range l.Targets {
		if t.Subject != "" {
			subjects = append(subjects, t.Subject)
		}
	}
	c := l.stream(Outbox, jetstream.LimitsPolicy, jetstream.DiscardNew, subjects...)
	c.Duplicates = recordWindow
	return c
}

// clock holds schedules and their ticks only: schedules need roll-up allowed, which
// nothing else may have.
func (l Layout) clock() jetstream.StreamConfig {
	c := l.stream(Clock, jetstream.LimitsPolicy, jetstream.DiscardOld, l.Names.All("clock"))
	c.AllowMsgSchedules = true
	c.AllowRollup = true
	c.AllowMsgTTL = true
	c.DenyDelete = false
	c.MaxBytes = 256 << 20
	return c
}

// audit can't be shortened. When it is full, operators are refused, never data.
func (l Layout) audit() jetstream.StreamConfig {
	c := l.stream(AuditLog, jetstream.LimitsPolicy, jetstream.DiscardNew, l.Names.All("audit"))
	c.DenyPurge = true
	return c
}
