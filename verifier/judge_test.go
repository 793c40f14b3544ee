package verifier

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/verifier/nonce"
	"github.com/doorward/doorward/verifier/signature"
)

const canary = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LTEyMw=="

// rulesOf compiles a configuration in which ${DIR}/secret holds the canary.
func rulesOf(t *testing.T, source string) (*ruleset, *config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", canary)
	write("copy", canary)
	write("schema.json", `{"type":"object","required":["task_id"],"properties":{"n":{"type":"integer","maximum":10}}}`)
	write("remote.json", `{"$ref":"http://example.com/schema.json"}`)
	write("file.json", `{"$ref":"file:///etc/passwd"}`)
	write("doorward.yaml", "version: 1\nsources:\n  agents:\n    verify: { provider: standard-webhooks, keys: [ { id: k1, secret: \"file:secret\" } ] }\n"+source)
	cfg, err := config.Load(filepath.Join(dir, "doorward.yaml"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := compile(cfg)
	return rules, cfg, err
}

func deriver(t *testing.T) *nonce.Deriver {
	t.Helper()
	d, err := nonce.NewDeriver([]byte(strings.Repeat("n", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signed is a genuine delivery of the source agents.
func signed(t *testing.T, rules *ruleset, body string, header ...signature.Field) *delivery {
	t.Helper()
	now := time.Now()
	req := signature.Request{Method: "POST", Target: "/in/agents?token=" + canary, Header: append([]signature.Field{{Name: "Content-Type", Value: "application/json"}}, header...), Body: []byte(body)}
	if err := rules.sources["agents"].scheme.Sign(&req, "", now, "msg_1"); err != nil {
		t.Fatal(err)
	}
	r := record.Request{Method: req.Method, Target: req.Target, Host: "h", Body: req.Body}
	for _, name := range []string{"Authorization", "Content-Type", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp"} {
		for _, f := range req.Header {
			if f.Name == name {
				r.Header = append(r.Header, record.Field(f))
			}
		}
	}
	return &delivery{source: "agents", raw: 7, received: now, id: "01K", peer: "10.1.2.3", payload: r.Append(nil)}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		source, body string
		want         outcome.Reason
		eventType    string
	}{
		"preset type":             {"", `{"type":"a.b"}`, "", "a.b"},
		"no type":                 {"", `{}`, "", defaultType},
		"literal type":            {"    event: { type: x.y }\n", `{}`, "", "x.y"},
		"computed type":           {"    event: { type: '= \"t.\" + body.status' }\n", `{"status":"done"}`, "", "t.done"},
		"number as subject":       {"    event: { type: x, subject: = body.id }\n", `{"id":9007199254740993}`, "", "x"},
		"missing value":           {"    event: { type: '= \"t.\" + body.status' }\n", `{}`, outcome.JSON, ""},
		"object as type":          {"    event: { type: = body.o }\n", `{"o":{}}`, outcome.JSON, ""},
		"control in an attribute": {"    event: { type: x, subject: = body.s }\n", `{"s":"a\u0000b"}`, outcome.JSON, ""},
		"long attribute":          {"    event: { type: x, subject: = body.s }\n", `{"s":"` + strings.Repeat("a", 1025) + `"}`, outcome.JSON, ""},
		"not JSON":                {"", `{"a":1,"a":2}`, outcome.JSON, ""},
		"too deep":                {"", strings.Repeat("[", 66) + strings.Repeat("]", 66), outcome.TooDeep, ""},
		"schema holds":            {"    schema: ./schema.json\n", `{"task_id":"t","n":10}`, "", defaultType},
		"schema refuses":          {"    schema: ./schema.json\n", `{"n":10}`, outcome.Schema, ""},
		"schema refuses a value":  {"    schema: ./schema.json\n", `{"task_id":"t","n":11}`, outcome.Schema, ""},
		"type allowed":            {"    allow: { types: [\"a.*\"] }\n", `{"type":"a.b"}`, "", "a.b"},
		"type denied":             {"    allow: { types: [\"a.*\"] }\n", `{"type":"ab"}`, outcome.EventDenied, ""},
		"address allowed":         {"    allow: { addresses: [10.0.0.0/8] }\n", `{"type":"a"}`, "", "a"},
		"address denied":          {"    allow: { addresses: [192.0.2.0/24] }\n", `{"type":"a"}`, outcome.IPDenied, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rules, _, err := rulesOf(t, c.source)
			if err != nil {
				t.Fatal(err)
			}
			out := rules.judge(signed(t, rules, c.body), deriver(t))
			if out.reason != c.want {
				t.Fatalf("reason %q (%s), want %q", out.reason, out.detail, c.want)
			}
			if c.want == "" && (out.verdict != outcome.Verified || out.event.Type != c.eventType) {
				t.Errorf("verdict %s, type %q, want verified %q", out.verdict, out.event.Type, c.eventType)
			}
			if c.want != "" && out.nonce != "" {
				t.Errorf("a refused delivery has the nonce %s", out.nonce)
			}
		})
	}
}

func TestJudgeSurvivesAnything(t *testing.T) {
	rules, _, err := rulesOf(t, "")
	if err != nil {
		t.Fatal(err)
	}
	rules.sources["broken"] = &source{name: "broken"} // no scheme: judging it panics
	good := signed(t, rules, `{}`)
	for name, c := range map[string]struct {
		d    delivery
		want outcome.Reason
	}{
		"empty payload":  {delivery{source: "agents"}, outcome.Internal},
		"a publish ack":  {delivery{source: "agents", payload: []byte(`{"stream":"DW_RAW","seq":1}`)}, outcome.Internal},
		"unknown source": {delivery{source: "nobody", payload: good.payload}, outcome.UnknownSource},
		"no source":      {delivery{payload: good.payload}, outcome.UnknownSource},
		"a panic":        {delivery{source: "broken", payload: good.payload}, outcome.Internal},
	} {
		if out := rules.judge(&c.d, deriver(t)); out.reason != c.want {
			t.Errorf("%s: %q, want %q", name, out.reason, c.want)
		}
	}
}

// C01: a canary in secret, header, query and body of refused requests.
func TestRecordsHideTheCanary(t *testing.T) {
	rules, cfg, err := rulesOf(t, "")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := newSealer(config.NewSecret([]byte(strings.Repeat("s", 32))))
	if err != nil {
		t.Fatal(err)
	}
	r := recorder{bus.NewNames(cfg.NATS.Prefix), seal}
	d := signed(t, rules, `{"a":"`+canary+`"}`, signature.Field{Name: "Authorization", Value: canary})
	d.received = d.received.Add(time.Hour)
	out := rules.judge(d, deriver(t))
	if out.reason != outcome.Stale {
		t.Fatalf("reason %q, want stale", out.reason)
	}
	m, err := r.outcome(d, &out)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range m.Header {
		if strings.Contains(strings.Join(values, " "), canary) {
			t.Errorf("header %s holds the canary", name)
		}
	}
	if bytes.Contains(m.Data, []byte(canary)) {
		t.Error("the record holds the canary in the clear")
	}
	kept, err := record.ParseKept(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := seal.open(m.Header.Get(bus.HeaderKeyID), kept.Sealed)
	if err != nil || !bytes.Equal(plain, d.payload) {
		t.Errorf("the sealed request does not open to what was received: %v", err)
	}
	if _, err := seal.open("other", kept.Sealed); err == nil {
		t.Error("opened under another key's id")
	}
	kept.Sealed[40] ^= 1
	if _, err := seal.open(m.Header.Get(bus.HeaderKeyID), kept.Sealed); err == nil {
		t.Error("opened after a bit was flipped")
	}
}

func TestCompileReportsEverythingWithItsPlace(t *testing.T) {
	_, _, err := rulesOf(t, `    schema: ./remote.json
    event: { type: '= body.', subject: '= nonsense(1)' }
  second:
    verify: { provider: standard-webhooks, keys: [ { id: k1, secret: "env:NOT_SET_ANYWHERE" } ] }
  third:
    verify: { provider: github, tolerance: 5m, keys: [ { id: k1, secret: "file:schema.json" } ] }
`)
	if err == nil {
		t.Fatal("compiled")
	}
	for _, want := range []string{"sources.agents.schema", "sources.agents.event.type", "sources.agents.event.subject", "sources.second.verify.keys[0].secret", "sources.third.verify"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Error("the canary is in the message")
	}
}

func TestSourcesNeedSecretsOfTheirOwn(t *testing.T) {
	twin := "  twin:\n    verify: { provider: standard-webhooks, keys: [ { id: k9, secret: \"file:copy\" } ] }\n"
	if _, _, err := rulesOf(t, twin); err == nil || !strings.Contains(err.Error(), "same secret as key k1 of source agents") {
		t.Errorf("got %v, want the shared secret named", err)
	}
}

// F23: a schema's references open nothing.
func TestSchemaOpensNothing(t *testing.T) {
	for _, name := range []string{"remote.json", "file.json"} {
		if _, _, err := rulesOf(t, "    schema: ./"+name+"\n"); err == nil || strings.Contains(err.Error(), "root:") {
			t.Errorf("%s: got %v, want a refusal that quotes nothing", name, err)
		}
	}
}

func TestAllowsAddress(t *testing.T) {
	s := source{allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for peer, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "2001:db8::1": true, "11.0.0.1": false, "unknown": false, "": false, "fe80::1%eth0": false, "10.1.2.3:80": false,
	} {
		if got := s.allowsAddress(peer); got != want {
			t.Errorf("allowsAddress(%q) = %v, want %v", peer, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want time.Duration
	}{
		"a signed time":        {"  a: { verify: { provider: slack, keys: [ { id: k, secret: \"env:A\" } ], retry_horizon: 1m } }\n", 5*time.Minute + time.Minute + backlog},
		"a longer horizon":     {"  a: { verify: { provider: slack, keys: [ { id: k, secret: \"env:A\" } ], retry_horizon: 2h } }\n", 2 * time.Hour},
		"no signed time":       {"  a: { verify: { provider: github, keys: [ { id: k, secret: \"env:A\" } ] } }\n", backlog},
		"min_window":           {"  a: { verify: { provider: slack, keys: [ { id: k, secret: \"env:A\" } ], retry_horizon: 1m } }\nverifier: { min_window: 1s }\n", 6 * time.Minute},
		"disabled source":      {"  a: { disabled: true, verify: { provider: stripe, keys: [ { id: k, secret: \"env:A\" } ] } }\n", backlog},
		"skew and tolerance":   {"  a: { verify: { provider: slack, keys: [ { id: k, secret: \"env:A\" } ], tolerance: 30m, retry_horizon: 1m } }\nverifier: { skew: 2m }\n", 32*time.Minute + backlog},
		"the provider's retry": {"  a: { verify: { provider: stripe, keys: [ { id: k, secret: \"env:A\" } ] } }\n", 72 * time.Hour},
	} {
		cfg, err := config.Decode("doorward.yaml", []byte("version: 1\nsources:\n"+c.yaml), config.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Window(cfg)
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestTraceParentIsTakenInFormOnly(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for value, want := range map[string]string{
		good: good, good + "0": "", strings.ToUpper(good): "", strings.Replace(good, "-", "_", 1): "", "": "", strings.Replace(good, "0a", "--", 1): "",
	} {
		r := record.Request{Header: []record.Field{{Name: "Traceparent", Value: value}}}
		if got := traceParent(&r); got != want {
			t.Errorf("traceParent(%q) = %q, want %q", value, got, want)
		}
	}
}
