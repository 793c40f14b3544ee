package bus

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AckWait is how long a message may be under way before it is delivered again.
const AckWait = 30 * time.Second

// TargetAckWait is the same for a target's deliveries. Whoever holds one keeps saying so, and
// after a crash an agent waits this long for what the dead dispatcher had in hand.
const TargetAckWait = 8 * time.Second

// lanePending bounds what one lane's verifier holds unacknowledged.
const lanePending = 2048

// lanes are the raw stream's consumers, each worked by one verifier at a time.
func (l Layout) lanes() []jetstream.ConsumerConfig {
	out := make([]jetstream.ConsumerConfig, Lanes)
	for i := range out {
		out[i] = jetstream.ConsumerConfig{
			Durable:        LaneConsumer(i),
			FilterSubject:  l.Names.RawLane(i),
			AckPolicy:      jetstream.AckAllPolicy, // in order, so one stands for all before it
			AckWait:        AckWait,
			MaxDeliver:     -1,
			MaxAckPending:  lanePending,
			PriorityPolicy: jetstream.PriorityPolicyPinned,
			PriorityGroups: []string{PinGroup},
			PinnedTTL:      PinnedTTL,
		}
	}
	return out
}

// targets are the verified stream's consumers, one durable a target.
func (l Layout) targets() []jetstream.ConsumerConfig {
	out := make([]jetstream.ConsumerConfig, 0, len(l.Targets))
	for _, t := range l.Targets {
		c := durable(TargetConsumer(t.Name), t.Pending)
		c.AckWait = TargetAckWait
		for _, s := range t.Sources {
			c.FilterSubjects = append(c.FilterSubjects, l.Names.VerifiedOf(s))
		}
		c.DeliverPolicy, c.OptStartTime = t.Start.policy()
		out = append(out, c)
	}
	return out
}

func (s Start) policy() (jetstream.DeliverPolicy, *time.Time) {
	switch {
	case s.All:
		return jetstream.DeliverAllPolicy, nil
	case !s.Time.IsZero():
		return jetstream.DeliverByStartTimePolicy, &s.Time
	}
	return jetstream.DeliverNewPolicy, nil
}

// readers are the outbox's consumers, one durable a NATS target, for whoever resumes agents.
func (l Layout) readers() []jetstream.ConsumerConfig {
	var out []jetstream.ConsumerConfig
	for _, t := range l.Targets {
		if t.Subject == "" {
			continue
		}
		c := durable(ReaderConsumer(t.Name), 0)
		c.FilterSubject = t.Subject
		out = append(out, c)
	}
	return out
}

// replayers read operators' orders: the verifier those about requests, the dispatcher
// those about dead letters.
func (l Layout) replayers() []jetstream.ConsumerConfig {
	verifier := durable(ReplayVerifier, 1)
	verifier.FilterSubjects = []string{l.Names.join("replay", "order", "refused", "*"), l.Names.join("replay", "order", "quarantine", "*")}
	dispatcher := durable(ReplayDispatcher, 16) // a target that hangs holds up no other's replay
	dispatcher.FilterSubject = l.Names.join("replay", "order", "dead", "*")
	return []jetstream.ConsumerConfig{verifier, dispatcher}
}

// Durable names of the consumers of the replay stream.
const (
	ReplayVerifier   = "verifier"
	ReplayDispatcher = "dispatcher"
)

func durable(name string, pending int) jetstream.ConsumerConfig {
	if pending == 0 {
		pending = 1024
	}
	return jetstream.ConsumerConfig{
		Durable:       name,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       AckWait,
		MaxDeliver:    -1,
		MaxAckPending: pending,
	}
}
