// Package event is the verified CloudEvent and its NATS binding.
//
// It promises that an event keeps every byte of its data and that attributes survive the
// way through headers (CloudEvents NATS binding 1.0.3, binary mode: "ce-" headers with
// percent-encoded values), so that any CloudEvents reader understands what Doorward stores.
package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
)

// Event is one verified event. Zero fields are absent attributes.
type Event struct {
	ID              string // stable across the sender's retries
	Source          string // URI reference of the origin
	Type            string
	Subject         string
	Time            time.Time // when it happened; the signed time, or the receipt
	DataContentType string

	DwSource      string    // configured source name
	DwScheme      string    // for example standard-webhooks/v1
	DwKeyID       string    // the key that proved it
	DwDelivery    string    // delivery id given by the ingress
	DwRaw         uint64    // raw sequence
	DwDigest      string    // SHA-256 of the body, hex
	DwAssurance   string    // message, principal, token, channel
	RecordedTime  time.Time // receipt, by the bus's clock
	DwReplayOf    string    // delivery this one replays
	CorrelationID string
	TraceParent   string

	Data []byte
}

// attribute is one row of the binding's table.
type attribute struct {
	name string
	get  func(*Event) string
	set  func(*Event, string) error
}

func text(name string, field func(*Event) *string) attribute {
	return attribute{name, func(e *Event) string { return *field(e) }, func(e *Event, v string) error { *field(e) = v; return nil }}
}

func stamp(name string, field func(*Event) *time.Time) attribute {
	get := func(e *Event) string {
		if field(e).IsZero() {
			return ""
		}
		return field(e).UTC().Format(time.RFC3339Nano)
	}
	return attribute{name, get, func(e *Event, v string) (err error) {
		*field(e), err = time.Parse(time.RFC3339Nano, v)
		return err
	}}
}

func number(name string, field func(*Event) *uint64) attribute {
	get := func(e *Event) string {
		if *field(e) == 0 {
			return ""
		}
		return strconv.FormatUint(*field(e), 10)
	}
	return attribute{name, get, func(e *Event, v string) (err error) {
		*field(e), err = strconv.ParseUint(v, 10, 64)
		return err
	}}
}

// table lists every attribute once; reading, writing and the SDK's view all use it.
var table = []attribute{
	text("id", func(e *Event) *string { return &e.ID }),
	text("source", func(e *Event) *string { return &e.Source }),
	text("type", func(e *Event) *string { return &e.Type }),
	text("subject", func(e *Event) *string { return &e.Subject }),
	stamp("time", func(e *Event) *time.Time { return &e.Time }),
	text("datacontenttype", func(e *Event) *string { return &e.DataContentType }),
	text("dwsource", func(e *Event) *string { return &e.DwSource }),
	text("dwscheme", func(e *Event) *string { return &e.DwScheme }),
	text("dwkeyid", func(e *Event) *string { return &e.DwKeyID }),
	text("dwdelivery", func(e *Event) *string { return &e.DwDelivery }),
	number("dwraw", func(e *Event) *uint64 { return &e.DwRaw }),
	text("dwdigest", func(e *Event) *string { return &e.DwDigest }),
	text("dwassurance", func(e *Event) *string { return &e.DwAssurance }),
	stamp("recordedtime", func(e *Event) *time.Time { return &e.RecordedTime }),
	text("dwreplayof", func(e *Event) *string { return &e.DwReplayOf }),
	text("correlationid", func(e *Event) *string { return &e.CorrelationID }),
	text("traceparent", func(e *Event) *string { return &e.TraceParent }),
}

// SpecVersion is the CloudEvents version of every event.
const SpecVersion = "1.0"

// Msg is the event as a NATS message on subject, without a message id.
func (e *Event) Msg(subject string) *nats.Msg {
	m := &nats.Msg{Subject: subject, Data: e.Data, Header: make(nats.Header, len(table)+2)}
	values := make([]string, 0, len(table)+1)
	add := func(name, v string) {
		values = append(values, v)
		m.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	add("ce-specversion", SpecVersion)
	for i := range table {
		if v := table[i].get(e); v != "" {
			add(headerNames[i], Escape(v))
		}
	}
	return m
}

// headerNames are the table's names with their prefix, made once.
var headerNames = func() []string {
	out := make([]string, len(table))
	for i, a := range table {
		out[i] = "ce-" + a.name
	}
	return out
}()

// ErrNotAnEvent wraps every reason for which a message is not a verified event.
var ErrNotAnEvent = errors.New("not a verified event")

// Read reads an event from a message's headers and data.
func Read(h nats.Header, data []byte) (*Event, error) {
	if v := first(h, "ce-specversion"); v != SpecVersion {
		return nil, fmt.Errorf("%w: specversion %q", ErrNotAnEvent, v)
	}
	e := &Event{Data: data}
	for i := range table {
		raw := first(h, headerNames[i])
		if raw == "" {
			continue
		}
		v, err := Unescape(raw)
		if err == nil {
			err = table[i].set(e, v)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: attribute %s: %w", ErrNotAnEvent, table[i].name, err)
		}
	}
	if e.ID == "" || e.Source == "" || e.Type == "" {
		return nil, fmt.Errorf("%w: id, source or type is missing", ErrNotAnEvent)
	}
	return e, nil
}

func first(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// CloudEvent is the event in the SDK's form, for the HTTP binding.
func (e *Event) CloudEvent() (cloudevents.Event, error) {
	out := cloudevents.New(SpecVersion)
	out.SetID(e.ID)
	out.SetSource(e.Source)
	out.SetType(e.Type)
	if e.Subject != "" {
		out.SetSubject(e.Subject)
	}
	if !e.Time.IsZero() {
		out.SetTime(e.Time)
	}
	for i := range table {
		if v := table[i].get(e); v != "" && !core[table[i].name] {
			out.SetExtension(table[i].name, v)
		}
	}
	e.setData(&out)
	if err := out.Validate(); err != nil {
		return out, fmt.Errorf("make the CloudEvent %s: %w", e.ID, err)
	}
	return out, nil
}

// core names the attributes that are not extensions.
var core = map[string]bool{"id": true, "source": true, "type": true, "subject": true, "time": true, "datacontenttype": true}

func (e *Event) setData(out *cloudevents.Event) {
	contentType := e.DataContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	out.SetDataContentType(contentType)
	out.DataEncoded = e.Data
	// The SDK writes only these two as JSON values; any other text it would quote.
	base := mediaType(contentType)
	out.DataBase64 = base != "application/json" && base != "text/json"
}

func jsonType(contentType string) bool {
	base := mediaType(contentType)
	return base == "application/json" || strings.HasSuffix(base, "+json")
}

// mediaType is a content type without its parameters, in lower case (RFC 9110 §8.3.1).
func mediaType(contentType string) string {
	base, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}

// JSON says whether the event's data is declared as JSON.
func (e *Event) JSON() bool { return jsonType(e.DataContentType) }
