package dispatcher_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/rs/zerolog"
)

func TestReloadAddsReplacesAndRemoves(t *testing.T) {
	first, second := receive(t, nil), receive(t, nil)
	ports := []int{first.port(), second.port()}
	w := start(t, options{
		targets: map[string]config.Target{"a": httpTarget(first.URL), "b": httpTarget(first.URL)},
		extra:   map[string]config.Target{"c": natsTarget("c.{id}")},
		ports:   ports,
	})
	w.publish(someEvent(1))
	w.settled("a")
	w.settled("b")
	if err := w.door.Reload(configOf(map[string]config.Target{"b": httpTarget(second.URL), "c": natsTarget("c.{id}")}, ports)); err != nil {
		t.Fatal(err)
	}
	w.publish(someEvent(2))
	w.settled("b")
	w.settled("c")
	if got := len(first.requests()); got != 2 {
		t.Errorf("the old receiver got %d requests, want 2 from before the reload", got)
	}
	if got := second.requests(); len(got) != 1 || got[0].header.Get("webhook-id") != "msg-2" {
		t.Errorf("the new receiver got %d requests", len(got))
	}
	if got := len(w.all(w.out)); got != 2 {
		t.Errorf("the new target stored %d events, want both", got)
	}
	if err := w.door.Ready(); err != nil {
		t.Error(err)
	}
}

func TestReloadKeepsTheLastGood(t *testing.T) {
	r := receive(t, nil)
	good := map[string]config.Target{"a": httpTarget(r.URL)}
	w := start(t, options{targets: good, ports: []int{r.port()}})
	badWhen, denied := httpTarget(r.URL), httpTarget("http://169.254.169.254/")
	badWhen.When = "event.nothing == 1"
	ordered := httpTarget(r.URL)
	ordered.Ordered = true
	filtered := httpTarget(r.URL)
	filtered.From = []string{"agents"}
	for name, c := range map[string]struct {
		targets map[string]config.Target
		want    string
	}{
		"no consumer":      {map[string]config.Target{"a": httpTarget(r.URL), "new": httpTarget(r.URL)}, "run set-up"},
		"unknown name":     {map[string]config.Target{"a": badWhen}, "targets.a.when"},
		"internal address": {map[string]config.Target{"a": denied}, "targets.a.http.url"},
		"order":            {map[string]config.Target{"a": ordered}, "run set-up"},
		"other sources":    {map[string]config.Target{"a": filtered}, "run set-up"},
	} {
		if err := w.door.Reload(configOf(c.targets, []int{r.port()})); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
	w.publish(someEvent(1))
	w.settled("a")
	if got := len(r.requests()); got != 1 {
		t.Errorf("%d requests, want 1 by the last good configuration", got)
	}
	if err := w.door.Reload(configOf(good, []int{r.port()})); err != nil {
		t.Errorf("the same configuration: %v", err)
	}
}

func TestRunNeedsEveryConsumer(t *testing.T) {
	w := start(t, options{unstarted: true})
	door, err := dispatcher.New(dispatcher.Settings{
		Config: configOf(map[string]config.Target{"new": natsTarget("new.{id}")}, nil), Bus: w.bus.Connect(t, bus.DispatcherUser), Egress: w.egress, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "run set-up") {
		t.Errorf("got %v, want an error that says to run set-up", err)
	}
}

func TestRunLeavesNothingBehind(t *testing.T) {
	w := start(t, options{unstarted: true, extra: map[string]config.Target{"resume": natsTarget("resume.{id}")}})
	nc := w.bus.Connect(t, bus.DispatcherUser)
	door, err := dispatcher.New(dispatcher.Settings{
		Config: configOf(map[string]config.Target{"resume": natsTarget("resume.{id}")}, nil), Bus: nc, Egress: w.egress, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- door.Run(ctx) }()
	w.publish(someEvent(1))
	eventually(t, "the event is stored", func() bool { return len(w.all(w.out)) == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// The embedded server starts goroutines of its own at any time: look for the door's.
	eventually(t, "no goroutine of the door is left", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !bytes.Contains(stacks, []byte("doorward/dispatcher.(*"))
	})
}
