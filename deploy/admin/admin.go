// Package admin is the operators' side of Doorward: the HTTP API, the live view, the
// books, replays and the janitor.
//
// It promises that nothing but liveness, readiness and metrics is seen without the token,
// that no browser page of another origin or name reaches it, that a replay is in the
// audit before it is ordered, and that it reads the other accounts' streams without
// consuming from them. It runs as the identity ops, which owns nothing.
//
// The routes stand on net/http alone, not on a framework that would generate an OpenAPI
// document: they are a dozen, two of them are streams, every error carries a fix, and the
// contract that clients compile against is the package api beside this one.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/admin/audit"
	"github.com/doorward/doorward/deploy/admin/books"
	"github.com/doorward/doorward/deploy/admin/janitor"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Settings is what code passes.
type Settings struct {
	Config *config.Config
	// Ops is a connection as bus.OpsUser.
	Ops *nats.Conn
	// Janitor is a connection as bus.JanitorUser; nil when another process trims.
	Janitor *nats.Conn
	// Token is what operators show; New refuses an empty one.
	Token config.Secret
	Log   zerolog.Logger
	// Registry is served as /metrics, and gets the bus's own numbers.
	Registry *prometheus.Registry
	// Ready says of each part of the process why it is not ready; nil for one that is.
	Ready   func() map[string]error
	Version api.Version
}

// Admin is the operators' door.
type Admin struct {
	settings Settings
	config   atomic.Pointer[config.Config]
	names    bus.Names
	listener net.Listener
	hosts    hosts
	bus      *looker
	out      *bus.Publisher
	audit    *audit.Log
	books    *books.Books
	janitor  *janitor.Janitor
	live     *live
	follow   *follower
	metrics  *metrics
	// stopping is closed when Run begins to end.
	stopping chan struct{}
}

// publishTimeout bounds one publish of an order or an audit entry.
const publishTimeout = 5 * time.Second

// New binds the listener of admin.listen and wires everything; nothing is served yet.
func New(s Settings) (*Admin, error) {
	if len(s.Token.Reveal()) == 0 {
		return nil, errors.New("open the admin listener: no token")
	}
	names := bus.NewNames(s.Config.NATS.Prefix)
	a := &Admin{settings: s, names: names, live: newLive(names, s.Ops), stopping: make(chan struct{})}
	a.config.Store(s.Config)
	a.follow = newFollower(a.targetsOf)
	a.live.each = a.follow.see
	if err := a.wire(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", s.Config.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the admin listener: %w", err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("open the admin listener: %s is not a loopback address", ip), listener.Close())
	}
	a.listener, a.hosts = listener, hostsOf(s.Config.Admin.Listen)
	return a, nil
}

func (a *Admin) wire() (err error) {
	s := a.settings
	if a.out, err = bus.NewPublisher(s.Ops, bus.OpsUser, publishTimeout); err != nil {
		return err
	}
	if a.bus, err = newLooker(s.Ops, a.names); err != nil {
		return err
	}
	a.audit = audit.New(s.Ops, a.out, a.names)
	if a.books, err = books.New(books.Settings{Ops: s.Ops, Names: a.names, Audit: a.audit}); err != nil {
		return err
	}
	if s.Janitor != nil {
		a.janitor, err = janitor.New(janitor.Settings{
			Conn: s.Janitor, Names: a.names, Verified: a.bus.reader(bus.Verified), OldestRaw: a.bus.oldestRaw,
			Vouched: func(ctx context.Context) (uint64, error) {
				c, err := a.books.Last(ctx)
				return c.Verified.Seq, err
			},
		})
		if err != nil {
			return err
		}
	}
	a.metrics, err = newMetrics(s.Registry, s.Version)
	return err
}

// Addr is where the API listens.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Ready says why operators can't be served, nil when they can.
func (a *Admin) Ready() error {
	if !a.settings.Ops.IsConnected() {
		return errors.New("the admin's nats connection is down")
	}
	return nil
}

// Reload takes new targets and limits; the listener, the prefix and the token stay.
func (a *Admin) Reload(cfg *config.Config) error {
	if cfg.Admin.Listen != a.settings.Config.Admin.Listen || cfg.NATS.Prefix != a.settings.Config.NATS.Prefix {
		return errors.New("reload the admin: admin.listen and nats.prefix change only with a restart")
	}
	a.config.Store(cfg)
	return nil
}

// targetsOf names the targets that take a source's events, and says which may skip one.
func (a *Admin) targetsOf(source string) map[string]bool {
	out := map[string]bool{}
	for name, t := range a.config.Load().Targets {
		if takes(t, source) {
			out[name] = t.When != ""
		}
	}
	return out
}

func takes(t config.Target, source string) bool {
	for _, from := range t.From {
		if from == source {
			return true
		}
	}
	return len(t.From) == 0
}

// drainTime bounds how long requests under way may take after the intake has stopped.
const drainTime = 5 * time.Second

// Run serves until ctx is done. Streams and long polls end then, other requests finish.
func (a *Admin) Run(ctx context.Context) error {
	defer func() { _ = a.out.Close() }()
	defer a.live.stop()
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { a.chores(ctx) })
	background.Go(func() { a.live.tend(ctx) })
	defer background.Wait()
	defer cancel()
	server := a.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(a.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the admin API: %w", err)
	case <-ctx.Done():
	}
	close(a.stopping)
	return drain(server)
}

func drain(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain the admin API: %w", err), server.Close())
	}
	return nil
}
