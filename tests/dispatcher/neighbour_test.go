package dispatcher_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
)

// hang holds every request until the test ends.
func hang(t testing.TB) *receiver {
	released := make(chan struct{})
	r := receive(t, func(_ int, _ http.ResponseWriter, q *http.Request) {
		select {
		case <-released:
		case <-q.Context().Done():
		}
	})
	t.Cleanup(func() { close(released) })
	return r
}

func TestHangingAndFailingTargetsDelayNobody(t *testing.T) {
	hanging, failing, good := hang(t), receive(t, status(http.StatusInternalServerError)), receive(t, nil)
	stuck := httpTarget(hanging.URL)
	stuck.HTTP.Timeout, stuck.Concurrency = config.Duration(30*time.Second), 4
	w := start(t, options{
		targets: map[string]config.Target{"stuck": stuck, "broken": httpTarget(failing.URL), "good": httpTarget(good.URL), "resume": natsTarget("resume.{id}")},
		ports:   []int{hanging.port(), failing.port(), good.port()},
	})
	const n = 300
	began := time.Now()
	for i := range n {
		w.publish(someEvent(i))
	}
	hanging.wait(t, 4)
	w.settled("resume")
	w.settled("good")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the healthy targets took %s", took)
	}
	if got := len(w.all(w.out)); got != n {
		t.Errorf("the NATS target stored %d events, want %d", got, n)
	}
	if got := len(good.requests()); got != n {
		t.Errorf("the HTTP target got %d requests, want %d", got, n)
	}
	if got := len(hanging.requests()); got != 4 {
		t.Errorf("the hanging target got %d requests at once, want its concurrency of 4", got)
	}
	hanging.CloseClientConnections()
}

func TestOrderedTargetHoldsTheLine(t *testing.T) {
	var mu sync.Mutex
	var order []string
	fails := map[string]int{"msg-0": 2, "msg-3": 1, "msg-5": 9}
	r := receive(t, func(_ int, w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := q.Header.Get("webhook-id")
		if fails[id] > 0 {
			fails[id]--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		order = append(order, id)
	})
	target := httpTarget(r.URL)
	target.Ordered = true
	w := start(t, options{targets: map[string]config.Target{"billing": target}, ports: []int{r.port()}})
	var want []string
	for i := range 10 {
		w.publish(someEvent(i))
		if i != 5 {
			want = append(want, fmt.Sprintf("msg-%d", i))
		}
	}
	w.settled("billing")
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(order, want) {
		t.Errorf("delivered %v, want %v", order, want)
	}
	if m := w.letters(1)[0]; m.Header.Get("ce-id") != "msg-5" || m.Header.Get(bus.HeaderAttempts) != "3" {
		t.Errorf("dead letter %v", m.Header)
	}
}

func TestStoppedDoorLeavesTheRestForTheNext(t *testing.T) {
	r := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) { time.Sleep(5 * time.Millisecond) })
	w := start(t, options{targets: map[string]config.Target{"billing": httpTarget(r.URL)}, ports: []int{r.port()}})
	const n = 400
	for i := range n / 2 {
		w.publish(someEvent(i))
	}
	r.wait(t, 20)
	w.stop()
	if err := w.door.Ready(); err == nil {
		t.Error("a stopped door says that it is ready")
	}
	for i := range n / 2 {
		w.publish(someEvent(n/2 + i))
	}
	w.start(true)
	w.settled("billing")
	seen := map[string]bool{}
	for _, q := range r.requests() {
		seen[q.header.Get("webhook-id")] = true
	}
	if len(seen) != n || len(r.requests()) != n {
		t.Errorf("%d events in %d requests, want %d each once", len(seen), len(r.requests()), n)
	}
	w.letters(0)
}
