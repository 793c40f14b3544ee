package ingress_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/tests/harness"
	"github.com/rs/zerolog"
)

// TestConnectionClosedForGood: a door whose bus never comes back ends, rather than refuse for ever.
func TestConnectionClosedForGood(t *testing.T) {
	h := harness.Bus(t, harness.Options{})
	nc := h.Connect(t, bus.IngressUser)
	door, err := ingress.New(ingress.Settings{Config: configured(t, ""), Bus: nc, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- door.Run(context.Background()) }()
	f := &fixture{Fixture: h, door: door}
	if a := f.post(t, "a", "x"); a.status != 202 {
		t.Fatalf("answered %d", a.status)
	}
	nc.Close()
	if err := <-stopped; err == nil {
		t.Error("Run returned nil")
	}
}

// projected writes what an ingress on its own gets: no secret but its credential.
func projected(t *testing.T, url, seed string) string {
	t.Helper()
	text := fmt.Sprintf("version: 1\nnats: { url: %q, credentials: { ingress: %q }, durability: process }\ningress: { listen: \"127.0.0.1:0\" }\n"+
		"sources: { a: { verify: { provider: github, keys: [ { id: k, secret: \"env:CANARY\" } ] } } }\n", url, "file:"+seed)
	c, err := config.Decode("doorward.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := config.Project(c, "ingress")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("CANARY")) {
		t.Fatalf("the projection refers to a secret:\n%s", out)
	}
	path := filepath.Join(t.TempDir(), "ingress.yaml")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logLines collects a process's log, and hands on the first match of a pattern.
type logLines struct {
	all   bytes.Buffer
	want  *regexp.Regexp
	found chan string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.all.Write(p)
	if m := l.want.FindSubmatch(l.all.Bytes()); m != nil && l.found != nil {
		l.found <- string(m[1])
		l.found = nil
	}
	return len(p), nil
}

// TestOwnProcess (promise 2): the small binary runs from the projected configuration, stores,
// and stops when told to.
func TestOwnProcess(t *testing.T) {
	store := t.TempDir()
	h := harness.Bus(t, harness.Options{Store: store})
	binary := filepath.Join(t.TempDir(), "ingress")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/doorward/doorward/ingress/cmd/ingress").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	lines := &logLines{want: regexp.MustCompile(`"address":"([^"]+)"`), found: make(chan string, 1)}
	cmd := exec.Command(binary, "--config", projected(t, h.Server.URL(), embedded.SeedPath(store, bus.IngressUser)), "--health", "127.0.0.1:0")
	cmd.Env, cmd.Stderr = []string{}, lines
	address := lines.found
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-address:
		res, err := http.Post("http://"+at+"/in/a", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 202 {
			t.Errorf("answered %d", res.StatusCode)
		}
	case err := <-ended:
		t.Fatalf("ended: %v\n%s", err, lines.all.String())
	case <-time.After(20 * time.Second):
		t.Error("not started after 20s")
	}
	http.DefaultClient.CloseIdleConnections()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended: %v\n%s", err, lines.all.String())
	}
	if strings.Contains(lines.all.String(), `"level":"error"`) {
		t.Errorf("logged\n%s", lines.all.String())
	}
}

func TestOwnProcessNeedsItsConfiguration(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "ingress")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/doorward/doorward/ingress/cmd/ingress").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	embeddedOnly := filepath.Join(t.TempDir(), "doorward.yaml")
	if err := os.WriteFile(embeddedOnly, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--config", "/nowhere/ingress.yaml"}, 3, "read the configuration"},
		{[]string{"--config", embeddedOnly}, 3, "nats.url"},
		{[]string{"--config", projected(t, "nats://127.0.0.1:1", "/nowhere/seed")}, 5, "nats was not reached"},
		{[]string{"surplus"}, 2, "no arguments"},
	} {
		out, err := exec.Command(binary, c.args...).CombinedOutput()
		var code int
		if exit, ok := err.(*exec.ExitError); ok {
			code = exit.ExitCode()
		}
		if code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: exit %d, want %d\n%s", c.args, code, c.code, out)
		}
	}
}
