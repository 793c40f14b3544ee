package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin"
	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/tests/harness"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
)

func TestNewRefusesWhatWouldBeOpen(t *testing.T) {
	f := harness.Bus(t, harness.Options{})
	nc := f.Connect(t, bus.OpsUser)
	for _, c := range []struct {
		name, listen, token string
		good                bool
	}{
		{"good", "127.0.0.1:0", token, true},
		{"good IPv6", "[::1]:0", token, true},
		{"no token", "127.0.0.1:0", "", false},
		{"every address", ":0", token, false},
		{"every IPv4 address", "0.0.0.0:0", token, false},
	} {
		a, err := admin.New(admin.Settings{Config: &config.Config{Admin: config.Admin{Listen: c.listen}}, Ops: nc, Token: config.NewSecret([]byte(c.token)), Registry: prometheus.NewRegistry()})
		if (err == nil) != c.good {
			t.Errorf("%s: %v, want good %v", c.name, err, c.good)
		}
		if err == nil { // an ended context closes the listener
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := a.Run(ctx); err != nil {
				t.Errorf("%s: ended with %v", c.name, err)
			}
		}
	}
}

// TestStoppingEndsStreamsAndLongPolls: a watching client never holds up the end.
func TestStoppingEndsStreamsAndLongPolls(t *testing.T) {
	w := start(t, options{})
	s, err := w.client.Steps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := w.client.Delivery(context.Background(), ulid.Make().String(), time.Minute)
		answered <- err
	}()
	w.until(func() bool { return w.follow(ulid.Make().String(), 0).ID != "" })
	begun := time.Now()
	w.stop()
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if _, err := s.Next(); !errors.Is(err, api.ErrCut) && !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-answered; err != nil && !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("the long poll ended with %v", err)
	}
	if _, err := w.client.Version(context.Background()); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("after the end: %v, want ErrUnreachable", err)
	}
}

func TestReloadKeepsTheListener(t *testing.T) {
	w := start(t, options{})
	moved := &config.Config{Admin: config.Admin{Listen: "127.0.0.1:1"}}
	if err := w.admin.Reload(moved); err == nil {
		t.Error("a reload moved the listener")
	}
	more := &config.Config{Admin: config.Admin{Listen: "127.0.0.1:0"}, Targets: map[string]config.Target{"new": {}}}
	if err := w.admin.Reload(more); err != nil {
		t.Fatal(err)
	}
	if got, err := w.client.Stats(t.Context()); err != nil || len(got.Targets) != 1 || !got.Targets[0].Missing {
		t.Errorf("after the reload: %+v, %v, want a target without a consumer yet", got.Targets, err)
	}
}

// TestNobodyListensForNobody: the bus sends what passes to the operators' listener only
// after somebody asked.
func TestNobodyListensForNobody(t *testing.T) {
	w := start(t, options{})
	before := w.ops.NumSubscriptions()
	s, err := w.client.Steps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if got := w.ops.NumSubscriptions(); got != before+2 {
		t.Errorf("%d subscriptions for a client that watches, %d before it; want 2 more", got, before)
	}
}
