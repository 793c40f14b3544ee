package kill

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// sources each have a sender of their own; their names fall into different lanes.
var sources = []string{"agents", "github", "billing", "builds"}

// world is a running Doorward, as one process or in parts.
type world struct {
	t       *testing.T
	bin     string
	dir     string
	address map[string]string // by part
	running map[string]*harness.Process
	seeds   func(identity string) ([]byte, error)
}

// settle writes a configuration and starts everything.
func settle(t *testing.T, bin string, parts []string) *world {
	t.Helper()
	w := &world{t: t, bin: bin, dir: t.TempDir(), address: map[string]string{}, running: map[string]*harness.Process{}}
	for _, part := range []string{"in", "nats", "admin", "monitor", "ingress", "verifier", "verifier-b", "dispatcher"} {
		w.address[part] = harness.Address(t)
	}
	reach := fmt.Sprintf("embedded: { store: ./data, listen: %q }", w.address["nats"])
	store := filepath.Join(w.dir, "data")
	w.seeds = func(identity string) ([]byte, error) { return os.ReadFile(embedded.SeedPath(store, identity)) }
	if parts[0] == "nats" {
		keys := filepath.Join(w.dir, "keys")
		reach = fmt.Sprintf("url: %q, credentials: %s", "nats://"+w.address["nats"], harness.Credentials(t, keys))
		w.seeds = func(identity string) ([]byte, error) { return os.ReadFile(filepath.Join(keys, identity+".nk")) }
	}
	w.configure(reach)
	for _, part := range parts {
		if err := w.start(part); err != nil {
			t.Fatal(err)
		}
		if part == "nats" {
			w.doorward("nats", "setup")
		}
	}
	return w
}

func (w *world) configure(reach string) {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nnats: { %s, durability: process }\n", reach)
	fmt.Fprintf(&b, "ingress: { listen: %q }\nadmin: { listen: %q, token: \"file:secrets/admin\" }\n", w.address["in"], w.address["admin"])
	fmt.Fprintf(&b, "verifier: { seal: \"file:secrets/seal\", nonce_key: \"file:secrets/nonce\" }\nsources:\n")
	for _, name := range append([]string{"admin", "seal", "nonce"}, sources...) {
		write(w.t, filepath.Join(w.dir, "secrets", name), secret(name))
	}
	for _, name := range sources {
		fmt.Fprintf(&b, "  %s: { verify: { provider: standard-webhooks, keys: [ { id: k1, secret: \"file:secrets/%s\" } ] } }\n", name, name)
	}
	b.WriteString("targets:\n  work: { start: all, nats: { subject: \"work.{source}.{id}\" } }\n")
	write(w.t, filepath.Join(w.dir, "doorward.yaml"), b.String())
	if strings.HasPrefix(reach, "url") {
		write(w.t, filepath.Join(w.dir, "accounts.conf"), w.doorward("nats", "config"))
		write(w.t, filepath.Join(w.dir, "nats.conf"), fmt.Sprintf(
			"listen: %q\nhttp: %q\nserver_name: cluster\nmax_payload: 2MB\njetstream { store_dir: \"jetstream\" }\ninclude accounts.conf\n", w.address["nats"], w.address["monitor"]))
	}
}

func secret(name string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(name+"-", 8)[:32]))
}

// doorward runs a verb to its end and returns what it says.
func (w *world) doorward(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) try(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(w.bin, "doorward"), args...)
	var mistakes strings.Builder
	cmd.Dir, cmd.Stderr = w.dir, &mistakes
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("doorward %s: %w\n%s%s", strings.Join(args, " "), err, out, mistakes.String())
	}
	return string(out), err
}

// start starts a part and waits until it is ready.
func (w *world) start(part string) error {
	p := harness.Program{Path: filepath.Join(w.bin, "doorward"), Dir: w.dir, Log: filepath.Join(w.dir, part+".log")}
	switch part {
	case "door":
		p.Args, p.Ready = []string{"serve"}, "http://"+w.address["admin"]+"/readyz"
	case "admin":
		p.Args, p.Ready = []string{"serve", "admin"}, "http://"+w.address["admin"]+"/readyz"
	case "nats":
		p.Path, p.Args, p.Ready = filepath.Join(w.bin, "nats-server"), []string{"-c", "nats.conf"}, "http://"+w.address["monitor"]+"/healthz"
	default:
		role := strings.TrimSuffix(part, "-b")
		p.Args, p.Ready = []string{"serve", role, "--health", w.address[part]}, "http://"+w.address[part]+"/readyz"
	}
	run, err := harness.Start(p)
	if err != nil {
		return err
	}
	w.running[part] = run
	w.t.Cleanup(func() { _, _ = run.End(os.Kill) })
	return nil
}

// kill ends a part with SIGKILL. Nothing else may have ended by itself.
func (w *world) kill(part string) {
	w.t.Helper()
	for name, p := range w.running {
		if p.Ended() {
			log, _ := os.ReadFile(filepath.Join(w.dir, name+".log"))
			w.t.Fatalf("%s ended by itself\n%s", name, log[max(0, len(log)-4096):])
		}
	}
	if _, err := w.running[part].End(os.Kill); err != nil {
		w.t.Fatal(err)
	}
}

// connect reaches the bus as an identity.
func (w *world) connect(identity string) *nats.Conn {
	w.t.Helper()
	dial := bus.Dial{URL: "nats://" + w.address["nats"], Log: zerolog.Nop(), Seeds: w.seeds}
	nc, err := dial.Connect(identity)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

// books are those that `doorward books` draws up.
func (w *world) books() (api.Books, error) {
	var b api.Books
	out, err := w.try("books", "--full", "-o", "json")
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal([]byte(out), &b)
}

// drained waits until the verifier and the dispatcher have nothing left to do.
func (w *world) drained() {
	w.t.Helper()
	last := "nothing"
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the last numbers were %s", last)
		}
	}()
	eventually(w.t, 2*time.Minute, "everything is worked off", func() bool {
		out, err := w.try("stats", "-o", "json")
		if err != nil {
			last = err.Error()
			return false
		}
		var s api.Stats
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			last = err.Error()
			return false
		}
		last = out
		return idle(s)
	})
}

func idle(s api.Stats) bool {
	for _, c := range append(s.Lanes, s.Targets...) {
		if c.Missing || c.Pending > 0 || c.AckPending > 0 {
			return false
		}
	}
	for _, store := range s.Streams {
		if strings.HasSuffix(store.Stream, string(bus.Raw)) && store.Messages > 0 {
			return false
		}
	}
	return true
}
