package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestExitCodesOfTheAPI(t *testing.T) {
	for status, want := range map[int]struct {
		exit int
		code string
	}{
		400: {ExitUsage, "usage"}, 422: {ExitUsage, "usage"}, 401: {ExitDenied, "not_permitted"}, 403: {ExitDenied, "not_permitted"},
		404: {ExitNotFound, "not_found"}, 409: {ExitFailed, "failed"}, 500: {ExitFailed, "failed"}, 503: {ExitUnreachable, "unreachable"},
	} {
		s := newStage(t)
		s.api.HandleFunc("GET /v1/deadletters/refused/12", func(w http.ResponseWriter, _ *http.Request) { problem(w, status, "said no") })
		s.run("dlq", "show", "refused:12").wants(t, want.exit, "", "error: said no\n")
		got := s.run("dlq", "show", "refused:12", "-o", "json")
		var out struct{ Error told }
		if err := json.Unmarshal([]byte(got.stderr), &out); err != nil || out.Error.Code != want.code || out.Error.Message != "said no" || got.stdout != "" {
			t.Errorf("%d: %v in %+v", status, err, got)
		}
	}
}

func TestExitUnreachable(t *testing.T) {
	s := newStage(t)
	s.run("stats", "--admin", "http://127.0.0.1:1").wants(t, ExitUnreachable, "", "--admin")
	s.api.HandleFunc("GET /v1/stats", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.run("stats", "--timeout", "20ms").wants(t, ExitUnreachable, "", "deadline")
}

func TestExitInterrupted(t *testing.T) {
	s := newStage(t)
	var out, errs bytes.Buffer
	d := s.deps
	d.Stdout, d.Stderr = &out, &errs
	if got := Main(canceled(), []string{"-c", s.config, "books"}, d); got != ExitInterrupted {
		t.Errorf("got %d, want %d: %s", got, ExitInterrupted, &errs)
	}
}

func TestExitDenied(t *testing.T) {
	s := newStage(t)
	s.answer("GET /v1/stats", map[string]any{})
	t.Setenv("CLI_TEST_TOKEN", "another token")
	s.run("stats").wants(t, ExitDenied, "", "DOORWARD_TOKEN")
	s.deps.Env = func(name string) string { return map[string]string{"DOORWARD_TOKEN": "the token"}[name] }
	s.run("stats").wants(t, ExitDone, "STREAM", "")
}

func TestTokenDoesNotTravelInTheClear(t *testing.T) {
	s := newStage(t)
	for _, address := range []string{"http://198.51.100.1:9090", "http://localhost.example.com", "ftp://127.0.0.1", "nonsense"} {
		s.run("stats", "--admin", address).wants(t, ExitUsage, "", "--admin")
	}
}

func TestConfigurationMistakesAreToldAtOnce(t *testing.T) {
	s := newStage(t)
	bad := s.write("bad.yaml", "version: 1\nsources:\n  github:\n    verify:\n      provider: githb\n      tolerence: 5m\n      keys: [ { id: k, secret: \"env:X\" } ]\n")
	got := s.bare("-c", bad, "config", "check")
	for _, want := range []string{"bad.yaml:5:17: sources.github.verify.provider", `did you mean "github"`, "bad.yaml:6:7:", `did you mean "tolerance"`, "2 errors. nothing was changed.\n"} {
		got.wants(t, ExitConfig, "", want)
	}
	for _, verb := range [][]string{{"serve"}, {"send", "github"}, {"nats", "config"}, {"nats", "setup"}, {"nats", "creds"}, {"config", "project", "ingress"}} {
		s.bare(append([]string{"-c", bad}, verb...)...).wants(t, ExitConfig, "", "2 errors")
	}
	var out struct{ Error told }
	got = s.bare("-c", bad, "config", "check", "-o", "json")
	if err := json.Unmarshal([]byte(got.stderr), &out); err != nil || len(out.Error.Problems) != 2 || out.Error.Problems[1].Line != 6 || out.Error.Code != "configuration" {
		t.Errorf("%v in %+v", err, got)
	}
}

func TestConfigurationIsFoundInItsPlaces(t *testing.T) {
	s := newStage(t)
	empty := t.TempDir()
	t.Chdir(empty)
	s.bare("stats").wants(t, ExitConfig, "", "serve --dev")
	s.bare("-c", "nowhere.yaml", "stats").wants(t, ExitConfig, "", "nowhere.yaml")
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		s.bare("sign", want).wants(t, ExitDone, "Webhook-Id", "")
	}
	place := func(path, source string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("agents"), []byte(source)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	place(".doorward/doorward.yaml", "inner")
	check("inner")
	place("doorward.yaml", "here")
	check("here")
	place("elsewhere/env.yaml", "named")
	s.deps.Env = func(name string) string { return map[string]string{"DOORWARD_CONFIG": "elsewhere/env.yaml"}[name] }
	check("named")
	s.run("sign", "agents").wants(t, ExitDone, "Webhook-Id", "") // the flag comes first
}

// every calls f with each command of the tree.
func every(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, child := range c.Commands() {
		every(child, f)
	}
}

func TestNoCommandSwallowsWhatItDoesNotKnow(t *testing.T) {
	s := newStage(t)
	every(New(s.deps), func(c *cobra.Command) {
		if !c.Runnable() && c.HasParent() { // a help topic
			return
		}
		path := strings.Fields(c.CommandPath())[1:]
		for _, extra := range [][]string{{"nonsense", "nonsense", "nonsense"}, {"--nonsense"}} {
			got := s.run(append(path, extra...)...)
			if got.exit != ExitUsage || got.stdout != "" {
				t.Errorf("%v %v: got %+v, want exit %d", path, extra, got, ExitUsage)
			}
		}
		if got := s.run(append(path, "--help")...); got.exit != ExitDone || got.stderr != "" || !strings.Contains(got.stdout, "Usage:") {
			t.Errorf("%v --help: got %+v", path, got)
		}
	})
}

func TestGroupsNeedAVerb(t *testing.T) {
	s := newStage(t)
	for _, args := range [][]string{{}, {"dlq"}, {"config"}, {"nats"}, {"completion"}} {
		got := s.run(args...)
		if got.exit != ExitUsage || got.stdout != "" || got.stderr == "" {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	s.run("dlq", "sow").wants(t, ExitUsage, "", "did you mean show?")
}

func TestHelp(t *testing.T) {
	s := newStage(t)
	s.run("help", "exit-codes").wants(t, ExitDone, "  7  needs confirmation", "")
	s.run("help", "dlq", "replay").wants(t, ExitDone, "--may-duplicate", "")
	s.run("completion", "bash").wants(t, ExitDone, "doorward", "")
	s.run("version").wants(t, ExitDone, "doorward     test", "")
	s.run("version", "-o", "json").wants(t, ExitDone, `"version": "test"`, "")
}

func TestWantsJSON(t *testing.T) {
	for line, want := range map[string]bool{
		"x -o json": true, "x -ojson": true, "x -o=jsonl": true, "x --output json": true, "--output=json x": true,
		"x": false, "x -o yaml": false, "x -o": false, "x --output=table json": false,
	} {
		if got := wantsJSON(strings.Fields(line)); got != want {
			t.Errorf("%q: got %v, want %v", line, got, want)
		}
	}
}

func TestServeUsage(t *testing.T) {
	s := newStage(t)
	s.run("serve", "kitchen").wants(t, ExitUsage, "", "ingress, verifier, dispatcher, admin")
	s.run("serve", "--health", "127.0.0.1:0").wants(t, ExitUsage, "", "--health")
	s.run("serve", "ingress", "--dev").wants(t, ExitUsage, "", "--dev")
	s.run("serve", "ingress").wants(t, ExitConfig, "", "needs a NATS cluster")
}
