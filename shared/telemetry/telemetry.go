// Package telemetry is what a process tells about itself: logs, health and metrics.
//
// It promises JSON logs with constant messages in which nothing from outside becomes a
// key, and health pages that say ok or not ok per part, never why to strangers.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// Logger writes JSON lines at level and above. Its console writer is never used: it prints
// control characters of messages as they are.
func Logger(w io.Writer, level zerolog.Level, part string) zerolog.Logger {
	return zerolog.New(w).Level(level).With().Timestamp().Str("service", part).Logger()
}

// Registry has Go's and the process's own numbers.
func Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Ready says of each part why it is not ready; nil for one that is.
type Ready func() map[string]error

// Handler serves /livez, /readyz[?verbose] and /metrics.
func Handler(registry *prometheus.Registry, ready Ready) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r.URL.Query().Has("verbose"), ready()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

func readyz(w http.ResponseWriter, verbose bool, parts map[string]error) {
	ok := true
	for _, err := range parts {
		ok = ok && err == nil
	}
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if verbose {
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			if parts[name] == nil {
				_, _ = fmt.Fprintf(w, "[+]%s ok\n", name)
			} else {
				_, _ = fmt.Fprintf(w, "[-]%s not ok\n", name)
			}
		}
		return
	}
	_, _ = io.WriteString(w, map[bool]string{true: "ok\n", false: "not ok\n"}[ok])
}

// Serve serves h on addr until ctx is done.
func Serve(ctx context.Context, addr string, h http.Handler) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for health checks: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health checks: %w", err)
	}
	return nil
}
