// Package kill ends Doorward with kill -9 at random moments, under load, whole and door by
// door, and then looks for what was lost, doubled or out of order.
//
// $KILLS is how often each variant is killed (default 3), $SEED what draws the moments (printed).
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

// victims are what is killed. The whole program has its server in it; "nats" is that of a cluster.
var victims = []string{"door", "ingress", "verifier", "dispatcher", "nats"}

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
	for i, victim := range victims {
		all.Go(func() {
			t.Run(victim, func(t *testing.T) { run(t, bin, victim, kills, rand.New(rand.NewPCG(seed, uint64(i)))) })
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

// run kills one victim so often, and then draws up the balance.
func run(t *testing.T, bin, victim string, kills int, random *rand.Rand) {
	w := settle(t, bin, victim == "door")
	seen := w.watch()
	load := w.load()
	began := time.Now()
	for range kills {
		time.Sleep(soonest + time.Duration(random.Int64N(int64(latest-soonest)))) // the moment is the test's input
		w.kill(victim)
		if err := w.start(victim); err != nil {
			t.Fatal(err)
		}
		load.progress(t)
	}
	accepted := load.end(t)
	w.drained()
	w.balance(accepted, seen)
	t.Logf("%s: %d kills in %s, %d requests accepted in %d tries, %d seen by a core subscriber",
		victim, kills, time.Since(began).Round(time.Millisecond), accepted.total(), accepted.tries, len(seen.ids()))
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
