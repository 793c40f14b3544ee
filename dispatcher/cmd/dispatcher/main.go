// Command dispatcher is the inner door as a program of its own, for a NATS cluster that
// set-up has prepared. It promises to stop on SIGINT and SIGTERM without losing an event,
// and to keep the last good configuration when SIGHUP finds a worse one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// Exit codes, as of the doorward binary.
const (
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
)

func main() { os.Exit(run()) }

func run() int {
	path := flag.String("config", "doorward.yaml", "configuration `file`")
	health := flag.String("health", "127.0.0.1:9093", "`address` of /livez, /readyz and /metrics")
	flag.Parse()
	log := zerolog.New(os.Stderr).With().Timestamp().Str("part", "dispatcher").Logger()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "dispatcher takes no arguments")
		return exitUsage
	}
	c, err := load(*path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, c, *health, log); err != nil {
		log.Error().Str("cause", err.Error()).Msg("dispatcher stopped")
		if _, bad := errors.AsType[config.Errors](err); bad {
			return exitConfig
		}
		return exitFailed
	}
	return 0
}

func load(path string) (*config.Config, error) {
	c, err := config.Load(path, config.Options{})
	if err != nil {
		return nil, err
	}
	if c.NATS.URL == "" {
		return nil, c.Problem("nats", errors.New("this program needs nats.url; `doorward serve` has a server of its own"))
	}
	return c, nil
}

func serve(ctx context.Context, c *config.Config, health string, log zerolog.Logger) error {
	dial := bus.Dial{URL: c.NATS.URL, CA: c.NATS.CA, Log: log, Seeds: func(identity string) ([]byte, error) {
		secret, err := c.NATS.Credentials[identity].Resolve()
		return secret.Reveal(), err
	}}
	nc, err := dial.Connect(bus.DispatcherUser)
	if err != nil {
		return err
	}
	defer nc.Close()
	out, err := egress.New(dispatcher.Policy(c), egress.Settings{})
	if err != nil {
		return err
	}
	defer out.Close()
	metrics := prometheus.NewRegistry()
	door, err := dispatcher.New(dispatcher.Settings{Config: c, Bus: nc, Egress: out, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	closeHealth, err := listen(health, door, metrics)
	if err != nil {
		return err
	}
	defer closeHealth()
	go reload(ctx, c.Path, door, out, log)
	return door.Run(ctx)
}

func listen(address string, door *dispatcher.Door, metrics prometheus.Gatherer) (func() error, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for health checks: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := door.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	return s.Close, nil
}

// reload follows SIGHUP. The egress policy changes after the targets, so that no target
// of the old configuration is sent to under rules that were not made for it.
func reload(ctx context.Context, path string, door *dispatcher.Door, out *egress.Client, log zerolog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		c, err := load(path)
		if err == nil {
			err = door.Reload(c)
		}
		if err == nil {
			err = out.Swap(dispatcher.Policy(c))
		}
		if err != nil {
			log.Error().Str("cause", err.Error()).Msg("configuration was not reloaded")
			continue
		}
		log.Info().Msg("configuration reloaded")
	}
}
