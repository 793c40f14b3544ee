package verifier

import (
	"strconv"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
	"github.com/nats-io/nats.go"
)

// recorder makes the messages in which deliveries end.
type recorder struct {
	names bus.Names
	seal  *sealer
}

// verified is the event's message. Its id is the nonce: the stream stores it once.
func (r *recorder) verified(out *decision) *nats.Msg {
	m := out.event.Msg(r.names.In(out.event.DwSource, out.event.Type))
	m.Header[bus.MsgID] = []string{out.nonce}
	return m
}

// outcome is the record of a delivery that is not verified. Its id is the raw sequence,
// so that a second attempt at the same message records it once.
func (r *recorder) outcome(d *delivery, out *decision) (*nats.Msg, error) {
	subject := r.names.Refused(d.source, string(out.reason))
	if out.verdict == outcome.Quarantined {
		subject = r.names.Quarantine(d.source, string(out.reason))
	}
	m := &nats.Msg{Subject: subject, Header: r.header(d, out)}
	kept, err := r.kept(d, out)
	if err != nil {
		return nil, err
	}
	if len(kept.Sealed) > 0 {
		m.Header[bus.HeaderKeyID] = []string{r.seal.keyID}
	}
	m.Data = kept.Append(nil)
	return m, nil
}

func (r *recorder) header(d *delivery, out *decision) nats.Header {
	h := nats.Header{}
	id := "raw-" + strconv.FormatUint(d.raw, 10)
	if d.replayOf != "" {
		id = "replay-" + d.id
	}
	for name, value := range map[string]string{
		bus.MsgID:          id,
		bus.HeaderRaw:      strconv.FormatUint(d.raw, 10),
		bus.HeaderReason:   string(out.reason),
		bus.HeaderSource:   d.source,
		bus.HeaderDelivery: d.id,
		bus.HeaderReceived: d.received.UTC().Format(time.RFC3339Nano),
		bus.HeaderDetail:   out.detail,
		bus.HeaderDigest:   out.digest,
		bus.HeaderPeer:     d.peer,
		bus.HeaderReplayOf: d.replayOf,
	} {
		if value != "" {
			h[name] = []string{value}
		}
	}
	if out.repeat != 0 {
		h[bus.HeaderOriginal] = []string{strconv.FormatUint(out.repeat, 10)}
	}
	return h
}

// kept is the redacted view and the sealed whole; a duplicate keeps neither, since its
// first copy was stored.
func (r *recorder) kept(d *delivery, out *decision) (record.Kept, error) {
	if out.verdict == outcome.Duplicate {
		return record.Kept{}, nil
	}
	sealed, err := r.seal.seal(d.payload)
	if err != nil {
		return record.Kept{}, err
	}
	kept := record.Kept{Sealed: sealed}
	if out.req != nil {
		var hide []string
		if out.source != nil {
			hide = out.source.secrets
		}
		view := out.req.Redact(hide...)
		kept.View = view.Append(nil)
	}
	return kept, nil
}
