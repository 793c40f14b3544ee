// Package kill ends Doorward with kill -9 at random moments, under load, whole and door by
// door, and then looks for what was lost, doubled or out of order.
//
// $KILLS is how often each variant is killed (default 3; 100 take a quarter of an hour), $SEED what
// draws the moments (printed). A pull or a publication that was under way ends with its lease, so
// a run ends half a minute after its last kill.
package kill

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/tests/harness"
)

// variant is who runs, and whom a kill takes: one of the victims, drawn.
type variant struct {
	name    string
	parts   []string
	victims []string
}

// split is Doorward in parts, in the order of their start.
var split = []string{"nats", "verifier", "dispatcher", "admin", "ingress"}

var variants = []variant{
	{"door", []string{"door"}, []string{"door"}},
	{"ingress", split, []string{"ingress"}},
	{"verifier", split, []string{"verifier"}},
	{"verifiers", append([]string{"nats", "verifier-b"}, split[1:]...), []string{"verifier", "verifier-b"}},
	{"dispatcher", split, []string{"dispatcher"}},
	{"nats", split, []string{"nats"}},
	{"any", split, []string{"ingress", "verifier", "dispatcher", "nats"}},
}

// Moments of a kill, after everything was ready: soon, and in the middle of the work.
const soonest, latest = 20 * time.Millisecond, 900 * time.Millisecond

// eachPatience bounds one kill with its restart; the lanes of a killed verifier stay pinned for seconds.
const eachPatience = 30 * time.Second

func TestKill(t *testing.T) {
	bin := t.TempDir()
	if err := harness.Build(bin, harness.DoorwardPackage, harness.NATSServerPackage); err != nil {
		t.Fatal(err)
	}
	kills, seed := number(t, "KILLS", 3), uint64(number(t, "SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("KILLS=%d SEED=%d", kills, seed)
	// All at once, whatever -parallel says: after a kill it is mostly a lease that is waited for.
	var all sync.WaitGroup
	for i, v := range variants {
		all.Go(func() {
			t.Run(v.name, func(t *testing.T) { run(t, bin, v, kills, rand.New(rand.NewPCG(seed, uint64(i)))) })
		})
	}
	all.Wait()
}

func number(t *testing.T, name string, standard int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is not a number of at least 1", name, text)
	}
	return n
}

// run kills so often, and then draws up the balance.
func run(t *testing.T, bin string, v variant, kills int, random *rand.Rand) {
	w := settle(t, bin, v.parts)
	seen := w.watch()
	load := w.load()
	began := time.Now()
	for range kills {
		time.Sleep(soonest + time.Duration(random.Int64N(int64(latest-soonest)))) // the moment is the test's input
		victim := v.victims[random.IntN(len(v.victims))]
		w.kill(victim)
		if err := w.start(victim); err != nil {
			t.Fatal(err)
		}
		load.progress(t)
		if random.IntN(2) == 0 { // half of the kills come before the last one is overcome
			seen.progress(t)
		}
	}
	accepted := load.end(t)
	w.drained()
	w.balance(accepted, seen)
	t.Logf("%s: %d kills in %s, %d requests accepted in %d tries, %d seen by a core subscriber",
		v.name, kills, time.Since(began).Round(time.Millisecond), accepted.total(), accepted.tries, len(seen.ids()))
}

// write puts a file of the run where its programs find it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until ok, and fails the test at the deadline.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}
