package dispatcher_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
)

// A kill loses acknowledgements, so everything may come again. A reset of the consumers
// is the worst of that: all of it comes again.
func TestEverythingComingAgainChangesNothing(t *testing.T) {
	r := receive(t, func(_ int, w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("webhook-id") == "msg-3" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	w := start(t, options{
		targets: map[string]config.Target{"resume": natsTarget("resume.{id}"), "billing": httpTarget(r.URL)}, ports: []int{r.port()},
	})
	const n = 50
	for i := range n {
		w.publish(someEvent(i))
	}
	w.settled("resume")
	w.settled("billing")
	w.stop()
	_, js := w.bus.JetStream(t, bus.SetupCoreUser)
	for _, target := range []string{"resume", "billing"} {
		if _, err := js.ResetConsumerToSequence(context.Background(), w.bus.Names.Stream(bus.Verified), bus.TargetConsumer(target), 1); err != nil {
			t.Fatal(err)
		}
	}
	w.start(true)
	r.wait(t, 2*n)
	w.settled("resume")
	w.settled("billing")
	if got := len(w.all(w.out)); got != n {
		t.Errorf("the stream keeps %d events, want %d", got, n)
	}
	ids := map[string]int{}
	for _, q := range r.requests() {
		ids[q.header.Get("webhook-id")]++
	}
	if len(ids) != n || len(r.requests()) != 2*n {
		t.Errorf("%d ids in %d requests, want %d in %d", len(ids), len(r.requests()), n, 2*n)
	}
	w.letters(1)
}
