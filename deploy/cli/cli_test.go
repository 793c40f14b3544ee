package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

// Secrets of the sources in the tests' configuration.
const (
	agentsSecret = "whsec_c2l4dGVlbiBieXRlcyBhbmQgbW9yZSBhcmUgbmVlZGVk"
	githubSecret = "a secret of github's that is long enough"
	stripeSecret = "another secret that nobody else has"
	slackSecret  = "a third secret that nobody else has"
)

const doorwardYAML = `version: 1
nats: { embedded: { store: ./data, listen: "127.0.0.1:14222" } }
ingress: { listen: "127.0.0.1:18080", public_url: "http://INGRESS" }
admin: { listen: "ADMIN", token: "env:CLI_TEST_TOKEN" }
streams: { nonces: { max_bytes: 128MiB } }
sources:
  agents:
    verify:
      provider: standard-webhooks
      keys:
        - { id: old, secret: "env:CLI_TEST_NOT_SET", not_after: 2020-01-01T00:00:00Z }
        - { id: k1, secret: "env:CLI_TEST_AGENTS" }
  stripe: { verify: { provider: stripe, keys: [ { id: s1, secret: "env:CLI_TEST_STRIPE" } ] } }
  slack: { verify: { provider: slack, keys: [ { id: l1, secret: "env:CLI_TEST_SLACK" } ] } }
  github: { verify: { provider: github, keys: [ { id: g1, secret: "env:CLI_TEST_GITHUB" } ] } }
targets:
  agents: { from: [agents], nats: { subject: "agents.resume.{correlationid}" } }
`

// stage is a configuration with a stand-in for the operators' API and one for the ingress.
type stage struct {
	t       *testing.T
	dir     string
	config  string
	api     *http.ServeMux
	ingress http.HandlerFunc
	deps    Deps
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), api: http.NewServeMux()}
	s.ingress = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"id":"01M803XD1RRRQSBH1ZKWFM2YRW"}`))
	}
	admin := httptest.NewServer(http.HandlerFunc(s.serveAPI))
	ingress := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ingress(w, r) }))
	t.Cleanup(admin.Close)
	t.Cleanup(ingress.Close)
	s.config = filepath.Join(s.dir, "doorward.yaml")
	text := strings.NewReplacer("INGRESS", strings.TrimPrefix(ingress.URL, "http://"), "ADMIN", strings.TrimPrefix(admin.URL, "http://")).Replace(doorwardYAML)
	s.write("doorward.yaml", text)
	t.Setenv("CLI_TEST_TOKEN", "the token")
	t.Setenv("CLI_TEST_AGENTS", agentsSecret)
	t.Setenv("CLI_TEST_GITHUB", githubSecret)
	t.Setenv("CLI_TEST_STRIPE", stripeSecret)
	t.Setenv("CLI_TEST_SLACK", slackSecret)
	s.deps = Deps{Stdin: strings.NewReader(""), Env: func(string) string { return "" }, Now: time.Now, Version: "test"}
	return s
}

func (s *stage) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// serveAPI wants the token first, as the real one does.
func (s *stage) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer the token" {
		problem(w, http.StatusUnauthorized, "no valid token")
		return
	}
	s.api.ServeHTTP(w, r)
}

// answer makes the API answer v at pattern.
func (s *stage) answer(pattern string, v any) {
	s.api.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{Status: status, Title: http.StatusText(status), Detail: detail})
}

// result is what a command line came to.
type result struct {
	exit           int
	stdout, stderr string
}

// run runs a command line with the stage's configuration.
func (s *stage) run(args ...string) result {
	s.t.Helper()
	return s.bare(append([]string{"-c", s.config}, args...)...)
}

// bare runs a command line as it is.
func (s *stage) bare(args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	d := s.deps
	d.Stdout, d.Stderr = &stdout, &stderr
	exit := Main(s.t.Context(), args, d)
	return result{exit, stdout.String(), stderr.String()}
}

// wants fails unless the exit code is right and the texts hold what is listed.
func (r result) wants(t *testing.T, exit int, stdout, stderr string) {
	t.Helper()
	var wrong []string
	if r.exit != exit {
		wrong = append(wrong, fmt.Sprintf("exit: got %d, want %d", r.exit, exit))
	}
	if !strings.Contains(r.stdout, stdout) || stdout == "" && r.stdout != "" {
		wrong = append(wrong, fmt.Sprintf("stdout: want %q in it", stdout))
	}
	if !strings.Contains(r.stderr, stderr) || stderr == "" && r.stderr != "" {
		wrong = append(wrong, fmt.Sprintf("stderr: want %q in it", stderr))
	}
	if wrong != nil {
		t.Errorf("%s\nstdout:\n%.2000s\nstderr:\n%.2000s", strings.Join(wrong, "; "), r.stdout, r.stderr)
	}
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
