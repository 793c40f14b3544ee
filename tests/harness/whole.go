package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/deploy/program"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// Whole is the whole program, as `doorward serve` runs it, inside the test.
type Whole struct {
	Config  *config.Config
	Ingress string // its URL
	Admin   string // its URL
	store   string
	log     output
}

// Serve runs the program on a configuration's sources and targets, and stops it with the
// test. secrets are files that "file:NAME" refers to. ingress adds settings of that block.
func Serve(t testing.TB, sources, ingress string, secrets map[string]string) *Whole {
	t.Helper()
	dir, hooks, admin := t.TempDir(), Address(t), Address(t)
	for name, secret := range secrets {
		write(t, filepath.Join(dir, name), secret)
	}
	path := filepath.Join(dir, "doorward.yaml")
	write(t, path, "version: 1\nnats: { durability: process, embedded: { store: ./state, listen: \""+Address(t)+"\" } }\n"+
		"ingress: { listen: \""+hooks+"\""+ingress+" }\nadmin: { listen: \""+admin+"\" }\n"+sources)
	cfg, err := program.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &Whole{Config: cfg, Ingress: "http://" + hooks, Admin: "http://" + admin, store: filepath.Join(dir, "state")}
	w.run(t, path)
	return w
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *Whole) run(t testing.TB, path string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- program.Run(ctx, program.Options{ConfigPath: path, Stdout: &w.log, Stderr: &w.log, Version: "test"})
	}()
	var once sync.Once
	stop := func(err error) {
		once.Do(func() {
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the program ended: %v\n%s", err, w.log.text())
			}
		})
	}
	t.Cleanup(func() { cancel(); stop(<-ended) })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !Answers(ctx, w.Admin+"/readyz"); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the program did not become ready\n%s", w.log.text())
		}
		select {
		case err := <-ended:
			ended <- nil
			stop(err)
			t.FailNow()
		default:
		}
	}
}

// Connect opens a connection to the program's own bus, closed with the test.
func (w *Whole) Connect(t testing.TB, identity string) *nats.Conn {
	t.Helper()
	dial := bus.Dial{URL: "nats://" + w.Config.NATS.Embedded.Listen, Log: zerolog.Nop(), Seeds: func(identity string) ([]byte, error) {
		return os.ReadFile(embedded.SeedPath(w.store, identity))
	}}
	nc, err := dial.Connect(identity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// output keeps what the program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
