package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"
)

// observation is one message of the bus as the live view understands it.
type observation struct {
	id, source, eventType string
	steps                 []api.Step
	// seq and message are set for a verified event.
	seq     uint64
	message *bus.Stored
}

// observe reads a message that was republished, or read from its stream. kind is the
// token that names what it is: verified, refused, quarantine, dead or delivered.
func observe(kind string, m *bus.Stored) observation {
	switch kind {
	case "verified":
		return ofEvent(m)
	case "refused", "quarantine":
		return ofRecord(kind, m)
	case "dead", "delivered":
		return ofTarget(kind, m)
	}
	return observation{}
}

func ofEvent(m *bus.Stored) observation {
	o := observation{
		id: attribute(m.Header, "dwdelivery"), source: attribute(m.Header, "dwsource"), eventType: attribute(m.Header, "type"),
		seq: m.Seq, message: m,
	}
	detail := []string{attribute(m.Header, "dwscheme")}
	if key := attribute(m.Header, "dwkeyid"); key != "" {
		detail = append(detail, "key "+key)
	}
	step := api.Step{Door: "verifier", What: "verified", Subject: m.Subject, Detail: strings.Join(detail, ", "), Seq: m.Seq, At: m.Time}
	o.steps = arrival(m.Header, "ce-recordedtime", "ce-dwraw", attribute(m.Header, "dwreplayof"))
	o.steps = append(o.steps, step)
	return o.timed()
}

func ofRecord(kind string, m *bus.Stored) observation {
	reason := outcome.Reason(first(m.Header, bus.HeaderReason))
	o := observation{id: first(m.Header, bus.HeaderDelivery), source: first(m.Header, bus.HeaderSource)}
	what := map[string]string{"refused": "refused", "quarantine": "quarantined"}[kind]
	if reason == outcome.DuplicateReason {
		what = "duplicate"
	}
	o.steps = arrival(m.Header, bus.HeaderReceived, bus.HeaderRaw, first(m.Header, bus.HeaderReplayOf))
	o.steps = append(o.steps, api.Step{
		Door: "verifier", What: what, Subject: m.Subject, Detail: first(m.Header, bus.HeaderDetail),
		Reason: string(reason), Fix: reason.Fix(), Seq: m.Seq, At: m.Time,
	})
	return o.timed()
}

func ofTarget(what string, m *bus.Stored) observation {
	reason := outcome.Reason(first(m.Header, bus.HeaderReason))
	o := observation{id: first(m.Header, bus.HeaderDelivery), source: attribute(m.Header, "dwsource"), eventType: attribute(m.Header, "type")}
	detail := first(m.Header, bus.HeaderDetail)
	if n := first(m.Header, bus.HeaderAttempts); n != "" {
		detail = strings.TrimSpace("attempt " + n + " " + detail)
	}
	o.steps = arrival(m.Header, "", "", first(m.Header, bus.HeaderReplayOf))
	o.steps = append(o.steps, api.Step{
		Door: "dispatcher", What: what, Subject: first(m.Header, bus.HeaderTarget), Detail: detail,
		Reason: string(reason), Fix: reason.Fix(), Seq: m.Seq, At: m.Time,
	})
	return o.timed()
}

// arrival is the step before the verifier's: a replay's is the operator's order, of which
// only the delivery that it repeats is known here.
func arrival(h nats.Header, received, raw, replayOf string) []api.Step {
	if replayOf != "" {
		return []api.Step{{Door: "operator", What: "replayed", Detail: "replay of " + replayOf}}
	}
	at, err := time.Parse(time.RFC3339Nano, unescaped(h, received))
	if err != nil {
		return nil
	}
	seq, _ := strconv.ParseUint(first(h, raw), 10, 64)
	return []api.Step{{Door: "ingress", What: "stored", Seq: seq, At: at}}
}

// timed counts each step from the id's own time, which has milliseconds.
func (o observation) timed() observation {
	id, err := ulid.ParseStrict(o.id)
	if err != nil {
		return o
	}
	begin := ulid.Time(id.Time())
	for i := range o.steps {
		if o.steps[i].At.IsZero() {
			o.steps[i].At = begin.UTC()
		}
		o.steps[i].AfterMillis = max(0, float64(o.steps[i].At.Sub(begin).Microseconds())/1e3)
	}
	return o
}

// attribute is a CloudEvents attribute, "" when it is absent or can't be read.
func attribute(h nats.Header, name string) string { return unescaped(h, "ce-"+name) }

func unescaped(h nats.Header, name string) string {
	v, err := event.Unescape(first(h, name))
	if err != nil {
		return ""
	}
	return v
}

func first(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
