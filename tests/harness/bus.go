// Package harness gives tests real parts to work with: an embedded NATS server with the
// bus as it ships, on a port and in a directory of its own.
package harness

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Options change what a test's bus looks like; zero values are what ships, made small.
type Options struct {
	Window     time.Duration // default 2m
	Targets    []bus.Target
	Limits     map[bus.Stream]bus.Limit // replaces single limits
	Durability config.Durability        // default config.Process
	Store      string                   // default a temporary directory
}

// Fixture is a running bus.
type Fixture struct {
	Server *embedded.Server
	Layout bus.Layout
	Names  bus.Names
	dial   bus.Dial

	settings embedded.Settings
}

// Layout is the bus as a test wants it.
func Layout(o Options) bus.Layout {
	limits := map[bus.Stream]bus.Limit{}
	for _, s := range []bus.Stream{bus.Raw, bus.Verified, bus.Nonces, bus.Held, bus.Refused, bus.Quarantine, bus.Waits, bus.Outbox, bus.Dead, bus.AuditLog} {
		limits[s] = bus.Limit{MaxBytes: 256 << 20}
	}
	for s, l := range o.Limits {
		limits[s] = l
	}
	window := o.Window
	if window == 0 {
		window = 2 * time.Minute
	}
	return bus.Layout{Names: bus.NewNames(""), Replicas: 1, Limits: limits, Window: window, Targets: o.Targets}
}

// Bus starts an embedded server, sets the bus up and stops it with the test.
func Bus(t testing.TB, o Options) *Fixture {
	t.Helper()
	if o.Durability == "" {
		o.Durability = config.Process
	}
	if o.Store == "" {
		o.Store = t.TempDir()
	}
	layout := Layout(o)
	f := &Fixture{Layout: layout, Names: layout.Names, settings: embedded.Settings{
		Store: o.Store, Listen: "127.0.0.1:0", MaxBytes: 8 << 30, Durability: o.Durability, Layout: layout, Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
	}}
	f.Start(t)
	t.Cleanup(func() { f.Stop(t) })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := f.Server.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	return f
}

// Start starts the server again after Stop, with its state and at its address.
func (f *Fixture) Start(t testing.TB) {
	t.Helper()
	srv, err := embedded.Start(f.settings)
	if err != nil {
		t.Fatal(err)
	}
	f.Server, f.dial = srv, srv.Dial()
	f.dial.Log = zerolog.Nop()
	f.settings.Listen = strings.TrimPrefix(srv.URL(), "nats://")
}

// Stop stops the server before the test ends. A second Stop does nothing.
func (f *Fixture) Stop(t testing.TB) {
	t.Helper()
	if f.Server == nil {
		return
	}
	if err := f.Server.Stop(); err != nil {
		t.Error(err)
	}
	f.Server = nil
}

// Connect opens a connection as identity, closed with the test.
func (f *Fixture) Connect(t testing.TB, identity string) *nats.Conn {
	t.Helper()
	nc, err := f.dial.Connect(identity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream opens a connection as identity and the JetStream of its own account.
func (f *Fixture) JetStream(t testing.TB, identity string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc := f.Connect(t, identity)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}
