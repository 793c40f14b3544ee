package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/verifier/signature"
)

// secrets of the sources, by provider.
var secrets = map[string]string{"standard-webhooks": agentsSecret, "stripe": stripeSecret, "slack": slackSecret, "github": githubSecret}

// judgeAs makes the ingress verify what comes as the verifier would, and answers why not.
func (s *stage) judgeAs(name string) *error {
	s.t.Helper()
	spec, err := provider.Load(name)
	if err != nil {
		s.t.Fatal(err)
	}
	scheme, err := signature.Compile(spec, signature.Options{Keys: []signature.Key{{ID: "k", Secret: []byte(secrets[name])}}})
	if err != nil {
		s.t.Fatal(err)
	}
	judged := errors.New("nothing came")
	s.ingress = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in := &signature.Request{Method: r.Method, Target: r.RequestURI, Body: body}
		for name, values := range r.Header {
			for _, v := range values {
				in.Header = append(in.Header, signature.Field{Name: name, Value: v})
			}
		}
		_, judged = scheme.Verify(in, time.Now())
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"id":"01M803XD1RRRQSBH1ZKWFM2YRW"}`))
	}
	return &judged
}

func TestSendSignsAsTheSenderWould(t *testing.T) {
	for source, name := range map[string]string{"agents": "standard-webhooks", "stripe": "stripe", "slack": "slack", "github": "github"} {
		for _, data := range []string{"", `{"id":"x"}`, "\x00\xff not json"} {
			s := newStage(t)
			judged := s.judgeAs(name)
			s.run("send", source, "-d", data).wants(t, ExitDone, "202", "")
			if *judged != nil {
				t.Errorf("%s, body %q: %v", source, data, *judged)
			}
		}
	}
}

func TestTamperedIsRefusedForTheRightReason(t *testing.T) {
	for source, name := range map[string]string{"agents": "standard-webhooks", "stripe": "stripe", "slack": "slack", "github": "github"} {
		for _, c := range []struct {
			how  string
			want outcome.Reason
		}{
			{tamperBody, outcome.BadSignature}, {tamperSignature, outcome.BadSignature},
			{tamperKey, outcome.BadSignature}, {tamperTimestamp, outcome.Stale},
		} {
			s := newStage(t)
			judged := s.judgeAs(name)
			for _, data := range []string{`{"a":1}`, " "} {
				got := s.run("send", source, "-d", data, "--tamper", c.how)
				if c.how == tamperTimestamp && source == "github" {
					got.wants(t, ExitUsage, "", "no timestamp to tamper with")
					continue
				}
				got.wants(t, ExitDone, "202", "")
				refusal, ok := errors.AsType[*signature.Refusal](*judged)
				if !ok || refusal.Reason != c.want {
					t.Errorf("%s, %s: got %v, want %s", source, c.how, *judged, c.want)
				}
			}
		}
	}
}

func TestSendNeedsOnlyTheSecretItSignsWith(t *testing.T) {
	s := newStage(t)
	s.run("send", "agents").wants(t, ExitDone, "202", "") // the old key's variable is not set
	s.run("send", "agents", "--key", "old").wants(t, ExitConfig, "", "CLI_TEST_NOT_SET")
	s.run("send", "agents", "--key", "old", "--tamper", "key").wants(t, ExitDone, "202", "")
}

func TestSendUsage(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		args   []string
		exit   int
		stderr string
	}{
		{[]string{"send"}, ExitUsage, "takes SOURCE"},
		{[]string{"send", "nobody"}, ExitNotFound, `no source "nobody"`},
		{[]string{"send", "agents", "--key", "k9"}, ExitNotFound, `no key "k9"`},
		{[]string{"send", "agents", "--tamper", "moon"}, ExitUsage, "body, signature, timestamp, key"},
		{[]string{"send", "agents", "-n", "0"}, ExitUsage, "at least 1"},
		{[]string{"send", "agents", "--rate", "fast"}, ExitUsage, "not a rate"},
		{[]string{"send", "agents", "-o", "xml"}, ExitUsage, "no output format"},
		{[]string{"send", "agents", "-H", "broken"}, ExitUsage, "NAME:VALUE"},
		{[]string{"send", "agents", "-H", "A: b\r\nEvil: c"}, ExitUsage, "NAME:VALUE"},
		{[]string{"send", "agents", "-d", "@nowhere"}, ExitUsage, "nowhere"},
		{[]string{"send", "agents", "--url", "ftp://x"}, ExitUsage, "not an http"},
		{[]string{"send", "stripe", "--id", "evt_1"}, ExitUsage, "reads the id from the body"},
		{[]string{"send", "agents", "--color", "red"}, ExitUsage, "auto, always, never"},
	} {
		s.run(c.args...).wants(t, c.exit, "", c.stderr)
	}
}

func TestSendReadsTheBodyAndAddsHeaders(t *testing.T) {
	s := newStage(t)
	var got []string
	s.ingress = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.Path+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("X-Github-Event")+" "+string(body))
		w.WriteHeader(http.StatusAccepted)
	}
	s.deps.Stdin = strings.NewReader(`{"from":"stdin"}`)
	s.run("send", "github", "-d", "-", "-n", "2", "-H", "X-GitHub-Event: push").wants(t, ExitDone, "202", "")
	s.run("send", "github", "-d", "@"+s.write("body", "text"), "-H", "content-type: text/plain").wants(t, ExitDone, "202", "")
	want := []string{
		`/in/github application/json push {"from":"stdin"}`, `/in/github application/json push {"from":"stdin"}`,
		`/in/github text/plain  text`,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSendTellsWhatTheIngressAnswers(t *testing.T) {
	for status, want := range map[int]int{
		http.StatusOK: ExitDone, http.StatusUnauthorized: ExitFailed, http.StatusRequestEntityTooLarge: ExitFailed, http.StatusFound: ExitFailed,
		http.StatusNotFound: ExitNotFound, http.StatusServiceUnavailable: ExitUnreachable, http.StatusTooManyRequests: ExitUnreachable,
	} {
		s := newStage(t)
		s.ingress = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail":"said \u001b[2J so"}`))
		}
		r := s.run("send", "agents")
		if r.exit != want || strings.Contains(r.stdout+r.stderr, "\x1b") {
			t.Errorf("%d: got %+v, want exit %d", status, r, want)
		}
	}
}

func TestSendUnreachable(t *testing.T) {
	newStage(t).run("send", "agents", "--url", "http://127.0.0.1:1").wants(t, ExitUnreachable, "", "serve")
}

// steps of deliveries, as the API tells them.
var (
	stored    = api.Step{Door: "ingress", What: "stored", Subject: "dw.raw.07.agents", Seq: 42, AfterMillis: 1.2}
	verified  = api.Step{Door: "verifier", What: "verified", Subject: "dw.verified.agents.x", Seq: 7, AfterMillis: 2.9}
	delivered = api.Step{Door: "dispatcher", What: "delivered", Subject: "agents", AfterMillis: 4.4}
	stale     = api.Step{Door: "verifier", What: "refused", Reason: "stale", Detail: "too \x1b[31mold", Fix: "check the clock", AfterMillis: 2}
	copied    = api.Step{Door: "verifier", What: "duplicate", Reason: "duplicate", Fix: "nothing to do"}
	dead      = api.Step{Door: "dispatcher", What: "dead", Subject: "agents", Reason: "target_5xx", Fix: "mend the target"}
)

// deliveries are answers to the questions about one delivery, the last one repeated.
func (s *stage) deliveries(steps ...[]api.Step) {
	asked := 0
	s.api.HandleFunc("GET /v1/deliveries/01M803XD1RRRQSBH1ZKWFM2YRW", func(w http.ResponseWriter, _ *http.Request) {
		d := api.Delivery{ID: "01M803XD1RRRQSBH1ZKWFM2YRW", Steps: steps[min(asked, len(steps)-1)]}
		asked++
		if n := len(d.Steps); n > 0 {
			last := d.Steps[n-1]
			d.OK = last == delivered
			d.Final = d.OK || last.Reason != ""
		}
		_ = json.NewEncoder(w).Encode(d)
	})
}

func TestSendFollowsToTheEnd(t *testing.T) {
	for _, c := range []struct {
		name           string
		steps          [][]api.Step
		exit           int
		stdout, stderr string
	}{
		{"delivered", [][]api.Step{{}, {stored}, {stored, verified}, {stored, verified, delivered}}, ExitDone, "dispatcher  delivered   agents ", ""},
		{"refused", [][]api.Step{{stored, stale}}, ExitFailed, `stale: too \u001b[31mold`, "help: check the clock"},
		{"duplicate", [][]api.Step{{stored, copied}}, ExitFailed, "duplicate", "nothing to do"},
		{"dead", [][]api.Step{{stored, verified, dead}}, ExitFailed, "target_5xx", "mend the target"},
		{"still under way", [][]api.Step{{stored, verified}}, ExitUnreachable, "verified", "still under way: verified by the verifier"},
		{"nothing known", [][]api.Step{{}}, ExitUnreachable, "202", "nothing is known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			s.deliveries(c.steps...)
			patience := "1m"
			if c.exit == ExitUnreachable {
				patience = "300ms"
			}
			got := s.run("send", "agents", "--follow", "--timeout", patience)
			got.wants(t, c.exit, c.stdout, c.stderr)
			if n := strings.Count(got.stdout, "ingress "); n > 1 {
				t.Errorf("a step was shown %d times", n)
			}
		})
	}
}

func TestSendFollowAsJSON(t *testing.T) {
	s := newStage(t)
	s.deliveries([]api.Step{stored, stale})
	got := s.run("send", "agents", "--follow", "-o", "json")
	var out sent
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || out.Delivery == nil || len(out.Delivery.Steps) != 2 || out.Status != 202 {
		t.Errorf("stdout: %v in %q", err, got.stdout)
	}
	var failed struct{ Error told }
	if err := json.Unmarshal([]byte(got.stderr), &failed); err != nil || failed.Error.Code != "failed" || failed.Error.Fix != "check the clock" {
		t.Errorf("stderr: %v in %q", err, got.stderr)
	}
	if got.exit != ExitFailed || strings.Contains(got.stdout+got.stderr, "\x1b") {
		t.Errorf("got %+v", got)
	}
}

func TestSendOfManyTellsHowManyFailed(t *testing.T) {
	s := newStage(t)
	n := 0
	s.ingress = func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 2 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
	s.run("send", "agents", "-n", "3", "--rate", "1000/s", "-o", "jsonl").wants(t, ExitPartly, `"status":413`, `"partly_done"`)
}

func TestPrintedCurlSendsTheSameBytes(t *testing.T) {
	s := newStage(t)
	for _, data := range []string{`{"it's":"$HOME` + "`x`" + `"}`, "@at", "", "\x1b[2J\x00\xff", "tab\there\n"} {
		path := s.write("data", data)
		got := s.run("send", "agents", "-d", "@"+path, "--print-curl")
		got.wants(t, ExitDone, "curl ", "")
		if strings.ContainsFunc(got.stdout, func(r rune) bool { return unprintable(r) && r != '\n' }) {
			t.Errorf("%q: not printable: %q", data, got.stdout)
		}
		// A shell function in curl's place shows what it would send.
		script := `curl() { for a; do last=$a; done; if [ "$last" = @- ]; then cat; else printf %s "$last"; fi; }` + "\n" + got.stdout
		out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
		if err != nil || string(out) != data {
			t.Errorf("got %q, want %q: %v", out, data, err)
		}
	}
}

func TestSignPrintsWhatVerifies(t *testing.T) {
	s := newStage(t)
	spec, err := provider.Load("standard-webhooks")
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := signature.Compile(spec, signature.Options{Keys: []signature.Key{{ID: "k1", Secret: []byte(agentsSecret)}}})
	if err != nil {
		t.Fatal(err)
	}
	got := s.run("sign", "agents", "-d", "body", "--id", "msg_1")
	got.wants(t, ExitDone, "Webhook-Id: msg_1\n", "")
	r := &signature.Request{Body: []byte("body")}
	for line := range strings.Lines(got.stdout) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header = append(r.Header, signature.Field{Name: name, Value: value})
	}
	if _, err := scheme.Verify(r, time.Now()); err != nil {
		t.Error(err)
	}
	s.run("sign", "agents", "-o", "curl").wants(t, ExitDone, "curl -sS", "")
	s.run("sign", "agents", "-o", "json").wants(t, ExitDone, `"Webhook-Signature": "v1,`, "")
	s.run("sign", "agents", "-o", "table").wants(t, ExitUsage, "", "headers, curl, json")
}
