// Command ingress is the outer door on its own, against a NATS cluster.
//
// It promises to run without a single secret but its own credential for NATS: its
// configuration is what "doorward config project ingress" writes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Exit codes, as of every program of Doorward.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 5
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("ingress", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "ingress.yaml", "projected configuration `file`")
	health := flags.String("health", "127.0.0.1:9091", "`address` of /livez, /readyz and /metrics")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "ingress takes no arguments, not %q\n", flags.Args())
		return exitUsage
	}
	log := zerolog.New(stderr).With().Timestamp().Str("door", "ingress").Logger().Level(zerolog.InfoLevel)
	cfg, err := load(*path)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, cfg, *health, log)
}

// load reads the file; its paths are relative to the working directory.
func load(path string) (*config.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	cfg, err := config.DecodeProjected(path, data, config.Options{})
	if err != nil {
		return nil, err
	}
	cfg.Path = path
	switch {
	case cfg.NATS.URL == "":
		return nil, cfg.Problem("nats", errors.New("an ingress on its own needs nats.url"))
	case cfg.NATS.Credentials[bus.IngressUser] == "":
		return nil, cfg.Problem("nats.credentials", errors.New("no credential of the identity ingress"))
	}
	return cfg, nil
}

func connect(cfg *config.Config, log zerolog.Logger) (*nats.Conn, error) {
	seeds := func(identity string) ([]byte, error) {
		secret, err := cfg.NATS.Credentials[identity].Resolve()
		if err != nil {
			return nil, err
		}
		return secret.Reveal(), nil
	}
	return bus.Dial{URL: cfg.NATS.URL, CA: cfg.NATS.CA, Seeds: seeds, Log: log}.Connect(bus.IngressUser)
}

func serve(ctx context.Context, cfg *config.Config, health string, log zerolog.Logger) int {
	nc, err := connect(cfg, log)
	if err != nil {
		log.Error().Err(err).Msg("nats was not reached")
		return exitUnreachable
	}
	defer nc.Close()
	registry := prometheus.NewRegistry()
	door, err := ingress.New(ingress.Settings{Config: cfg, Bus: nc, Log: log, Metrics: registry})
	if err != nil {
		log.Error().Err(err).Msg("ingress did not start")
		return exitConfig
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { follow(ctx, cfg, door, log) })
	beside.Go(func() {
		if err := serveHealth(ctx, health, door, registry, log); err != nil {
			log.Error().Err(err).Msg("health listener failed")
			cancel()
		}
	})
	log.Info().Stringer("address", door.Addr()).Msg("ingress started")
	err = door.Run(ctx)
	cancel()
	beside.Wait()
	if err != nil {
		log.Error().Err(err).Msg("ingress failed")
		return exitFailed
	}
	log.Info().Msg("ingress stopped")
	return exitDone
}

// follow reloads on change and on SIGHUP; what can't be used is reported and left.
func follow(ctx context.Context, cfg *config.Config, door *ingress.Door, log zerolog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	err := cfg.Watch(ctx, hangup, func(changed *config.Config, err error) {
		if err == nil {
			err = door.Reload(changed)
		}
		if err != nil {
			log.Error().Err(err).Msg("configuration was not reloaded")
			return
		}
		log.Info().Msg("configuration was reloaded")
	})
	if err != nil {
		log.Error().Err(err).Msg("configuration is not watched")
	}
}
