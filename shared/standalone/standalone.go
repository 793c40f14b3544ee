// Package standalone hosts one door as a program of its own, against a NATS cluster that
// set-up has prepared.
//
// It promises that the three small binaries behave alike: the same flags, exit codes and
// health pages; SIGINT and SIGTERM stop the door in order; a changed file and SIGHUP
// reload it, and what can't be used is reported and left.
package standalone

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/lifecycle"
	"github.com/doorward/doorward/shared/telemetry"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Door is what every door offers.
type Door interface {
	Run(context.Context) error
	Reload(*config.Config) error
	Ready() error
}

// Settings are what a door is opened with. Connections are closed by the program.
type Settings struct {
	Config  *config.Config
	Connect func(identity string) (*nats.Conn, error)
	Log     zerolog.Logger
	Metrics *prometheus.Registry
}

// Program is one door's binary.
type Program struct {
	Name string
	// Config is the default file, Health the default address of /livez, /readyz and /metrics.
	Config, Health string
	// Load reads the file.
	Load func(path string) (*config.Config, error)
	// Open makes the door.
	Open func(context.Context, Settings) (Door, error)
}

// Exit codes, as of the doorward binary.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 5
)

// patience is how long the door may take to stop.
const patience = 25 * time.Second

// Main runs the program until a signal and returns its exit code.
func Main(p Program, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", p.Config, "configuration `file`")
	health := flags.String("health", p.Health, "`address` of /livez, /readyz and /metrics")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "%s takes no arguments\n", p.Name)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := p.run(ctx, *path, *health, telemetry.Logger(stderr, zerolog.InfoLevel, p.Name))
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var wrong config.Errors
	var one config.Problem
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong), errors.As(err, &one), errors.Is(err, errConfig):
		return exitConfig
	case errors.Is(err, errUnreachable):
		return exitUnreachable
	}
	return exitFailed
}

var (
	errConfig      = errors.New("configuration")
	errUnreachable = errors.New("nats was not reached")
)

func (p Program) run(ctx context.Context, path, health string, log zerolog.Logger) error {
	cfg, err := p.Load(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errConfig, err)
	}
	if cfg.NATS.URL == "" {
		return cfg.Problem("nats", fmt.Errorf("%s on its own needs nats.url; doorward serve has a server of its own", p.Name))
	}
	dial := Dial(cfg, log)
	var conns []*nats.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	connect := func(identity string) (*nats.Conn, error) {
		nc, err := dial.Connect(identity)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnreachable, err)
		}
		conns = append(conns, nc)
		return nc, nil
	}
	registry := telemetry.Registry()
	door, err := p.Open(ctx, Settings{Config: cfg, Connect: connect, Log: log, Metrics: registry})
	if err != nil {
		return err
	}
	return p.serve(ctx, cfg, health, door, registry, log)
}

func (p Program) serve(ctx context.Context, cfg *config.Config, health string, door Door, registry *prometheus.Registry, log zerolog.Logger) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	pages := telemetry.Handler(registry, func() map[string]error { return map[string]error{p.Name: door.Ready()} })
	return lifecycle.Run(ctx, log, patience,
		lifecycle.Part{Name: "health", Run: func(ctx context.Context) error { return telemetry.Serve(ctx, health, pages) }},
		lifecycle.Part{Name: "configuration", Run: func(ctx context.Context) error {
			return cfg.Watch(ctx, hangup, func(next *config.Config, err error) { reload(door, next, err, log) })
		}},
		lifecycle.Part{Name: p.Name, Run: door.Run},
	)
}

func reload(door Door, next *config.Config, err error, log zerolog.Logger) {
	if err == nil {
		err = door.Reload(next)
	}
	if err != nil {
		log.Error().Str("cause", err.Error()).Msg("configuration was refused, the one before stays")
		return
	}
	log.Info().Msg("configuration was reloaded")
}

// Dial reaches an external cluster with the configured credentials.
func Dial(cfg *config.Config, log zerolog.Logger) bus.Dial {
	return bus.Dial{URL: cfg.NATS.URL, CA: cfg.NATS.CA, Log: log, Seeds: func(identity string) ([]byte, error) {
		ref, ok := cfg.NATS.Credentials[identity]
		if !ok {
			return nil, cfg.Problem("nats.credentials", fmt.Errorf("no credential for %s", identity))
		}
		secret, err := ref.Resolve()
		if err != nil {
			return nil, err
		}
		return secret.Reveal(), nil
	}}
}

// Resolve reads a secret that every process of a role must share, or says which it is.
func Resolve(cfg *config.Config, path string, ref config.Ref) (config.Secret, error) {
	if ref == "" {
		return config.Secret{}, cfg.Problem(path, fmt.Errorf("%s is required on a NATS cluster: every process of the role must share it", path))
	}
	secret, err := ref.Resolve()
	if err != nil {
		return config.Secret{}, cfg.Problem(path, err)
	}
	return secret, nil
}
