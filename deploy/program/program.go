// Package program is the composition root: it wires the doors, the bus and the operators'
// listener into one process, in whole or in part.
//
// It promises that nothing starts with a wrong configuration, that intake stops first and
// the bus last, and that a reload is taken whole or not at all.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/lifecycle"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/shared/standalone"
	"github.com/doorward/doorward/shared/telemetry"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Roles a process can have. All of them, with an embedded server, is the empty role.
const (
	RoleIngress    = "ingress"
	RoleVerifier   = "verifier"
	RoleDispatcher = "dispatcher"
	RoleAdmin      = "admin"
)

// Options of one process.
type Options struct {
	ConfigPath string
	// Dev writes a ready configuration on first use and shows each delivery on Stdout.
	Dev bool
	// Role is one of the roles, or "" for the whole program.
	Role string
	// Health is the address of /livez, /readyz and /metrics of a single door; "" for none.
	Health         string
	Stdout, Stderr io.Writer
	Version        string
	// Verbose logs at debug level, too.
	Verbose bool
	// Reload makes the configuration be read again, as its change does.
	Reload <-chan os.Signal
}

// patience is how long a part may take to stop.
const patience = 25 * time.Second

// setupTimeout bounds the creation of streams and consumers.
const setupTimeout = 60 * time.Second

// process is what the parts of one process share.
type process struct {
	o        Options
	cfg      *config.Config
	log      zerolog.Logger
	registry *prometheus.Registry
	layout   bus.Layout
	server   *embedded.Server // nil on a cluster
	dial     bus.Dial
	conns    []*nats.Conn
	doors    []door
}

// door is what every door has.
type door struct {
	name   string
	run    func(context.Context) error
	reload func(*config.Config) error
	ready  func() error
}

// Run loads the configuration, starts the role's parts and blocks until ctx is done.
func Run(ctx context.Context, o Options) error {
	if o.Dev && o.ConfigPath == "" {
		path, err := EnsureDev(DevDir)
		if err != nil {
			return err
		}
		o.ConfigPath = path
	}
	cfg, err := Load(o.ConfigPath)
	if err != nil {
		return err
	}
	level := zerolog.InfoLevel
	if o.Dev {
		level = zerolog.WarnLevel
	}
	if o.Verbose {
		level = zerolog.DebugLevel
	}
	p := &process{o: o, cfg: cfg, log: telemetry.Logger(o.Stderr, level, serviceName(o.Role)), registry: telemetry.Registry()}
	if err := p.open(ctx); err != nil {
		return errors.Join(err, p.close())
	}
	ballast := newBallast()
	err = p.run(ctx)
	runtime.KeepAlive(ballast)
	return errors.Join(err, p.close())
}

func serviceName(role string) string {
	if role == "" {
		return "doorward"
	}
	return role
}

// Load reads a configuration with every name that other packages own.
func Load(path string) (*config.Config, error) {
	return config.Load(path, Names())
}

// Names are the providers and identities that a configuration may name.
func Names() config.Options {
	o := config.Options{Providers: provider.Names()}
	for _, id := range (bus.Layout{Names: bus.NewNames("")}).Identities() {
		o.Identities = append(o.Identities, id.Name)
	}
	return o
}

// open reaches the bus, sets it up where that is this process's to do, and makes the doors.
func (p *process) open(ctx context.Context) error {
	var err error
	if p.layout, err = LayoutOf(p.cfg); err != nil {
		return err
	}
	if err := p.reachBus(ctx); err != nil {
		return err
	}
	return p.makeDoors(ctx)
}

func (p *process) reachBus(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if p.cfg.NATS.Embedded == nil {
		p.dial = standalone.Dial(p.cfg, p.log)
		if p.o.Role == "" {
			return embedded.SetupBus(ctx, p.dial, p.layout)
		}
		return nil
	}
	if p.o.Role != "" {
		return p.cfg.Problem("nats.embedded", fmt.Errorf("serve %s needs a NATS cluster: an embedded server is for one process only", p.o.Role))
	}
	var err error
	if p.server, err = startEmbedded(p.cfg, p.layout, p.log); err != nil {
		return err
	}
	p.dial = p.server.Dial()
	return p.server.Setup(ctx)
}

func startEmbedded(cfg *config.Config, layout bus.Layout, log zerolog.Logger) (*embedded.Server, error) {
	return embedded.Start(embedded.Settings{
		Store: cfg.NATS.Embedded.Store, Listen: cfg.NATS.Embedded.Listen, MaxBytes: int64(cfg.NATS.Embedded.MaxBytes),
		MaxBody: int64(cfg.Ingress.MaxBody), Durability: cfg.NATS.Durability, Layout: layout, Log: log,
	})
}

func (p *process) connect(identity string) (*nats.Conn, error) {
	nc, err := p.dial.Connect(identity)
	if err == nil {
		p.conns = append(p.conns, nc)
	}
	return nc, err
}

// run starts the parts; intake comes last, so that it stops first.
func (p *process) run(ctx context.Context) error {
	parts := []lifecycle.Part{{Name: "configuration", Run: p.watch}}
	if p.o.Role != "" && p.o.Health != "" {
		health := telemetry.Handler(p.registry, p.ready)
		parts = append(parts, lifecycle.Part{Name: "health", Run: func(ctx context.Context) error { return telemetry.Serve(ctx, p.o.Health, health) }})
	}
	for _, d := range p.doors {
		parts = append(parts, lifecycle.Part{Name: d.name, Run: d.run})
	}
	p.log.Info().Str("version", p.o.Version).Str("durability", string(p.cfg.NATS.Durability)).Int("sources", len(p.cfg.Sources)).Int("targets", len(p.cfg.Targets)).
		Stringer("nonce_window", p.layout.Window).Stringer("nonce_memory_at_most", MemoryNeed(p.cfg)).
		Float64("raw_overcommitment", math.Round(RawOvercommitment(p.cfg)*10)/10).Msg("doorward started")
	return lifecycle.Run(ctx, p.log, patience, parts...)
}

// close ends connections before the server: shutting it down ends JetStream first.
func (p *process) close() error {
	for _, nc := range p.conns {
		nc.Close()
	}
	if p.server == nil {
		return nil
	}
	return p.server.Stop()
}

func (p *process) ready() map[string]error {
	out := map[string]error{}
	for _, d := range p.doors {
		out[d.name] = d.ready()
	}
	if p.server != nil && !p.server.Running() {
		out["nats"] = errors.New("jetstream is disabled; is the disk full?")
	}
	return out
}
