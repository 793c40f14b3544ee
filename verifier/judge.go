package verifier

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/verifier/nonce"
	"github.com/doorward/doorward/verifier/signature"
	"github.com/doorward/doorward/verifier/strictjson"
	"github.com/nats-io/nats.go"
)

// delivery is one raw message, or one kept request that an operator replays.
type delivery struct {
	source   string
	raw      uint64    // raw sequence
	received time.Time // by the bus's clock, which no client and no ingress can set
	id       string    // delivery id
	peer     string
	payload  []byte
	replayOf string // delivery id that this replays, "" for a first attempt
}

// maxDeliveryID bounds what the ingress may have put into a header.
const maxDeliveryID = 64

// readDelivery takes what the ingress stored. Headers that are not in form are left empty:
// the ingress is not trusted with more than its word about the peer.
func readDelivery(source string, seq uint64, received time.Time, h nats.Header, payload []byte) *delivery {
	d := &delivery{source: source, raw: seq, received: received, payload: payload}
	if id := h.Get(bus.HeaderDelivery); len(id) <= maxDeliveryID && bus.ValidToken(id) {
		d.id = id
	}
	if peer := h.Get(bus.HeaderPeer); len(peer) <= maxDeliveryID {
		d.peer = peer
	}
	return d
}

// decision is what becomes of a delivery as far as the delivery itself tells; whether it
// is new is decided by what the bus remembers.
type decision struct {
	verdict outcome.Verdict
	reason  outcome.Reason
	detail  string // for operators; never anything from the request
	source  *source
	req     *record.Request // nil when the record did not parse
	event   *event.Event    // set for Verified
	nonce   string          // set for Verified
	digest  string          // SHA-256 of the body
	seq     uint64          // where the outcome was stored
	repeat  uint64          // verified sequence that this repeats, 0 when only a claim tells
}

func refused(reason outcome.Reason, detail string) decision {
	v, _ := reason.Verdict()
	return decision{verdict: v, reason: reason, detail: detail}
}

// judge authenticates and admits one delivery. It does no I/O and keeps no state, so that
// many can run at once and a replay is judged exactly alike. The nonce comes last, after
// every check, from content that the signature covers.
func (r *ruleset) judge(d *delivery, nonces *nonce.Deriver) (out decision) {
	defer func() {
		if p := recover(); p != nil {
			out = refused(outcome.Internal, "the verifier panicked")
		}
	}()
	src, known := r.sources[d.source]
	if !known {
		out = refused(outcome.UnknownSource, "no such source in the configuration")
		out.keep(d)
		return out
	}
	req, err := record.Parse(d.payload)
	if err != nil {
		return refused(outcome.Internal, err.Error())
	}
	out = src.judge(d, &req, nonces)
	out.source, out.req = src, &req
	if out.digest == "" {
		out.digest = nonce.Digest(req.Body)
	}
	return out
}

// keep notes the request of a delivery that no source judges.
func (out *decision) keep(d *delivery) {
	if req, err := record.Parse(d.payload); err == nil {
		out.req, out.digest = &req, nonce.Digest(req.Body)
	}
}

func (s *source) judge(d *delivery, req *record.Request, nonces *nonce.Deriver) decision {
	if !s.allowsAddress(d.peer) {
		return refused(outcome.IPDenied, "the peer is not on allow.addresses")
	}
	signed := signature.Request{Method: req.Method, Target: req.Target, Header: fields(req.Header), Body: req.Body}
	proof, err := s.scheme.Verify(&signed, d.received)
	if err != nil {
		return asRefusal(err)
	}
	body, err := s.decode(req)
	if err != nil {
		return jsonRefusal(err)
	}
	if err := s.schema.check(body); err != nil {
		return refused(outcome.Schema, "the schema is not satisfied: "+err.Error())
	}
	lookup := func(path string) (string, bool) { return strictjson.Lookup(body, path) }
	identity := s.scheme.Identity(&proof, lookup)
	out := decision{verdict: outcome.Verified, nonce: nonces.Derive(s.name, identity.Class, identity.Material), digest: nonce.Digest(req.Body)}
	out.event, err = s.makeEvent(d, req, body, &proof, identity, &out)
	if err != nil {
		return refused(outcome.JSON, err.Error())
	}
	if !s.allowsType(out.event.Type) {
		return refused(outcome.EventDenied, "the event type is not on allow.types")
	}
	return out
}

func asRefusal(err error) decision {
	var r *signature.Refusal
	if errors.As(err, &r) {
		return refused(r.Reason, r.Detail)
	}
	return refused(outcome.Internal, "the signature engine failed")
}

func jsonRefusal(err error) decision {
	if errors.Is(err, strictjson.ErrTooDeep) {
		return refused(outcome.TooDeep, err.Error())
	}
	return refused(outcome.JSON, err.Error())
}

// decode reads the body once, if it is JSON by its content type or by the source's schema;
// anything else stays opaque bytes.
func (s *source) decode(req *record.Request) (any, error) {
	contentType, _ := req.Value("Content-Type")
	if s.schema == nil && !isJSON(contentType) && !looksLikeJSON(req.Body) {
		return nil, nil
	}
	body, err := strictjson.Decode(req.Body)
	if err != nil && s.schema == nil && !isJSON(contentType) {
		return nil, nil // it only looked like it
	}
	return body, err
}

func isJSON(contentType string) bool {
	e := event.Event{DataContentType: contentType}
	return e.JSON()
}

func looksLikeJSON(body []byte) bool { return len(body) > 0 && (body[0] == '{' || body[0] == '[') }

func fields(header []record.Field) []signature.Field {
	out := make([]signature.Field, len(header))
	for i, f := range header {
		out[i] = signature.Field(f)
	}
	return out
}

// allowsAddress: an empty list allows any; a peer that is no address is on no list.
func (s *source) allowsAddress(peer string) bool {
	if len(s.allow) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(peer)
	if err != nil || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	for _, p := range s.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// allowsType: an empty list allows any; "a.b.*" allows every type that begins with "a.b.".
func (s *source) allowsType(eventType string) bool {
	for _, allowed := range s.types {
		if prefix, wild := strings.CutSuffix(allowed, "*"); wild && strings.HasPrefix(eventType, prefix) || allowed == eventType {
			return true
		}
	}
	return len(s.types) == 0
}

func (s *source) makeEvent(d *delivery, req *record.Request, body any, proof *signature.Proof, identity signature.Identity, out *decision) (*event.Event, error) {
	e := &event.Event{
		Source: s.mapping.contentSource, Time: proof.SignedAt, DwSource: s.name, DwScheme: proof.Scheme, DwKeyID: proof.KeyID,
		DwDelivery: d.id, DwRaw: d.raw, DwDigest: out.digest, DwAssurance: proof.Assurance, RecordedTime: d.received.UTC(), DwReplayOf: d.replayOf, Data: req.Body,
	}
	if e.Time.IsZero() {
		e.Time = e.RecordedTime
	}
	e.DataContentType, _ = req.Value("Content-Type")
	e.TraceParent = traceParent(req)
	if err := s.mapping.apply(e, &view{body, req, s.name}); err != nil {
		return nil, err
	}
	// An id that the signature does not cover could be another delivery's: it is never used.
	if e.ID == "" && identity.Signed {
		e.ID = identity.ID
	}
	if e.ID == "" {
		e.ID = out.nonce
	}
	for _, text := range []string{e.ID, e.Type, e.Subject, e.CorrelationID, e.DataContentType} {
		if err := checkAttribute(text); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// traceParent is the request's trace context in form (W3C Trace Context §3.2.2), or "".
func traceParent(req *record.Request) string {
	v, _ := req.Value("Traceparent")
	const form = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if len(v) != len(form) {
		return ""
	}
	for i := range len(form) {
		digit := v[i] >= '0' && v[i] <= '9' || v[i] >= 'a' && v[i] <= 'f'
		if dash := form[i] == '-'; dash != (v[i] == '-') || !dash && !digit {
			return ""
		}
	}
	return v
}

func (m *mapping) apply(e *event.Event, v *view) error {
	for _, a := range []struct {
		compute attributeFunc
		to      *string
	}{{m.eventType, &e.Type}, {m.subject, &e.Subject}, {m.correlation, &e.CorrelationID}, {m.id, &e.ID}} {
		if a.compute == nil {
			continue
		}
		text, _, err := a.compute(v)
		if err != nil {
			return err
		}
		*a.to = text
	}
	if e.Type == "" {
		e.Type = defaultType
	}
	return nil
}
