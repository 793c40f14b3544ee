// Package interop_test lets vendors' own code sign and Doorward verify, over the whole
// running program, and lets vendors' own code verify what Doorward signs. What they refuse
// of each other's is tried too: agreement on good signatures alone proves little.
package interop_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/tests/harness"
	"github.com/doorward/doorward/verifier/signature"
	"github.com/nats-io/nats.go"
)

// Secrets of the sources below, in each vendor's form.
var (
	workersNew   = "whsec_" + base64.StdEncoding.EncodeToString([]byte("workers-new-0123456789-0123456789"))
	workersOld   = "whsec_" + base64.StdEncoding.EncodeToString([]byte("workers-old-0123456789-0123456789"))
	stripeSecret = "whsec_interop0123456789interop0123456789"
	slackSecret  = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
	githubSecret = "a github secret of enough length"
)

const sources = `sources:
  workers: { verify: { provider: standard-webhooks, keys: [ { id: new, secret: "file:new" }, { id: old, secret: "file:old" } ] } }
  payments: { verify: { provider: stripe, keys: [ { id: s1, secret: "file:stripe" } ] } }
  chat: { verify: { provider: slack, keys: [ { id: c1, secret: "file:slack" } ] } }
  code: { verify: { provider: github, keys: [ { id: g1, secret: "file:github" } ] } }
`

// program is a running Doorward with an application that listens.
type program struct {
	*harness.Whole
	t        *testing.T
	verified *nats.Subscription
	records  *nats.Subscription
}

func serve(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, Whole: harness.Serve(t, sources, "", map[string]string{
		"new": workersNew, "old": workersOld, "stripe": stripeSecret, "slack": slackSecret, "github": githubSecret,
	})}
	p.verified = p.listen(bus.AppUser, "dw.verified.>")
	p.records = p.listen(bus.OpsUser, "dw.live.>")
	return p
}

func (p *program) listen(identity, subject string) *nats.Subscription {
	p.t.Helper()
	nc := p.Connect(p.t, identity)
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		p.t.Fatal(err)
	}
	return sub
}

// post sends a delivery as the vendor's HTTP client would.
func (p *program) post(t *testing.T, source string, header http.Header, body []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.Ingress+"/in/"+source, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("answered %d %s", res.StatusCode, text)
	}
}

// accepted posts a delivery and returns the event that a subscriber sees.
func (p *program) accepted(t *testing.T, source string, header http.Header, body []byte) *event.Event {
	t.Helper()
	p.post(t, source, header, body)
	m, err := p.verified.NextMsg(5 * time.Second)
	if err != nil {
		record, none := p.records.NextMsg(time.Second)
		t.Fatalf("no event: %v; record %+v, %v", err, record, none)
	}
	e, err := event.Read(m.Header, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if e.DwSource != source || !bytes.Equal(e.Data, body) {
		t.Errorf("event of %s with the data %q", e.DwSource, e.Data)
	}
	return e
}

// refused posts a delivery and compares the reason of the record with want.
func (p *program) refused(t *testing.T, source string, header http.Header, body []byte, want string) {
	t.Helper()
	p.post(t, source, header, body)
	m, err := p.records.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatalf("no record: %v", err)
	}
	if got := m.Header.Get(bus.HeaderReason); got != want {
		t.Errorf("recorded as %s (%s), want %s", got, m.Header.Get(bus.HeaderDetail), want)
	}
}

// scheme compiles a provider with one secret, for signing and for vectors.
func scheme(t *testing.T, name, secret string) *signature.Scheme {
	t.Helper()
	spec, err := provider.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signature.Compile(spec, signature.Options{AllowWeakSecret: true, Keys: []signature.Key{{ID: "k", Secret: []byte(secret)}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is what Doorward sends as a vendor would, for the vendor's verifier.
func signed(t *testing.T, name, secret, id, body string, at time.Time) http.Header {
	t.Helper()
	r := signature.Request{Method: http.MethodPost, Target: "/", Body: []byte(body)}
	if err := scheme(t, name, secret).Sign(&r, "", at, id); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for _, f := range r.Header {
		h.Add(f.Name, f.Value)
	}
	return h
}

// tampered is a body with one byte changed.
func tampered(body []byte) []byte {
	return []byte(strings.Replace(string(body), "a", "b", 1))
}
