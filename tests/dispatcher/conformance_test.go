package dispatcher_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	targethttp "github.com/doorward/doorward/dispatcher/target/http"
	targetnats "github.com/doorward/doorward/dispatcher/target/nats"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/tests/harness"
)

// kind is one implementation of target.Target in four states.
type kind struct {
	good, failing, refusing, silent target.Target
	// delivered counts distinct events that the good one has.
	delivered func() int
}

func TestTargetsConform(t *testing.T) {
	for name, build := range map[string]func(testing.TB) kind{"nats": natsKind, "http": httpKind} {
		t.Run(name, func(t *testing.T) { conform(t, build(t)) })
	}
}

// conform is what the dispatcher relies on, whatever the kind.
func conform(t *testing.T, k kind) {
	ctx := context.Background()
	if r := k.good.Begin(someEvent(0))(ctx); r.Answer != target.Done || k.delivered() != 1 {
		t.Errorf("a good target: %+v, %d delivered", r, k.delivered())
	}
	if r := k.good.Begin(someEvent(0))(ctx); r.Answer != target.Done || k.delivered() != 1 {
		t.Errorf("the same event again: %+v, %d delivered, want it recognised by its id", r, k.delivered())
	}
	for name, c := range map[string]struct {
		target target.Target
		want   target.Answer
	}{"failing": {k.failing, target.Retry}, "refusing": {k.refusing, target.Refuse}} {
		r := c.target.Begin(someEvent(1))(ctx)
		if r.Answer != c.want || !outcome.Known(r.Reason) || r.Detail == "" {
			t.Errorf("a %s target: %+v, want %s with reason and detail", name, r, c.want)
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	attempt := k.silent.Begin(someEvent(2))
	if r := attempt(short); r.Answer != target.Retry || time.Since(began) > 5*time.Second {
		t.Errorf("a silent target: %+v after %s, want to try again when the context is done", r, time.Since(began))
	}
	concurrently(t, k)
}

func concurrently(t *testing.T, k kind) {
	const n = 50
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if r := k.good.Begin(someEvent(100 + i))(context.Background()); r.Answer != target.Done {
				t.Errorf("event %d: %+v", i, r)
			}
		})
	}
	all.Wait()
	if got := k.delivered(); got != n+1 {
		t.Errorf("%d delivered, want %d", got, n+1)
	}
}

func natsKind(t testing.TB) kind {
	f := harness.Bus(t, harness.Options{
		Targets: busTargets(map[string]config.Target{"good": natsTarget("good.{id}")}),
		Limits:  map[bus.Stream]bus.Limit{bus.Waits: {MaxBytes: 1}},
	})
	nc := f.Connect(t, bus.DispatcherUser)
	make := func(template string) target.Target {
		p, err := bus.NewPublisher(nc, bus.DispatcherUser, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return targetnats.New(targetnats.Settings{Name: "good", Subject: []config.SubjectPart{{Literal: template}, {Attribute: "id"}}, Publisher: p})
	}
	out := bus.NewReader(f.Connect(t, bus.SetupOutUser), bus.APILocal, f.Names.Stream(bus.Outbox))
	refusing, err := bus.NewPublisher(nc, bus.DispatcherUser, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return kind{
		good:     make("good."),
		failing:  make("dw.live."), // permitted, and no stream keeps it
		refusing: targetnats.New(targetnats.Settings{Name: "good", Subject: []config.SubjectPart{{Literal: "good."}, {Attribute: "nothing"}}, Publisher: refusing}),
		silent:   make("elsewhere."), // not permitted: the server says nothing
		delivered: func() (n int) {
			if err := out.Scan(context.Background(), bus.From{}, func(*bus.Stored) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			return n
		},
	}
}

func httpKind(t testing.TB) kind {
	good, failing, refusing, silent := receive(t, nil), receive(t, status(http.StatusBadGateway)), receive(t, status(http.StatusForbidden)), hang(t)
	client, err := egress.New(egress.Policy{
		AllowPrivate: configOf(nil, nil).Egress.AllowPrivate, AllowHTTP: true,
		Ports: []int{good.port(), failing.port(), refusing.port(), silent.port()},
	}, egress.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	make := func(r *receiver) target.Target {
		return targethttp.New(targethttp.Settings{URL: r.URL, Timeout: 10 * time.Second, Egress: client, Now: time.Now})
	}
	return kind{make(good), make(failing), make(refusing), make(silent), func() int {
		ids := map[string]bool{}
		for _, q := range good.requests() {
			ids[fmt.Sprint(q.header["Webhook-Id"])] = true
		}
		return len(ids)
	}}
}
