// Package embedded hosts the NATS server inside the doorward process.
//
// It promises that one state directory is used by one process at a time (the server
// itself takes no lock), that a 2xx survives what the durability says, and that the
// loopback listener knows only the identities of shared/bus, each by an nkey kept in the
// state directory with mode 0600. It is the only package that imports nats-server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Settings of a server.
type Settings struct {
	// Store is the state directory, made if it does not exist.
	Store string
	// Listen is a loopback address; port 0 draws one.
	Listen   string
	MaxBytes int64
	// MaxBody is the largest request body that any source may send, in bytes.
	MaxBody    int64
	Durability config.Durability
	Layout     bus.Layout
	Log        zerolog.Logger
}

// overhead is what a stored request may be larger than its body: its header twice (the
// record and its redacted view), the seal and the message's own headers.
const overhead = 128 << 10

// Server is a running embedded server.
type Server struct {
	state    *State
	server   *server.Server
	settings Settings
}

// Start locks the state directory, makes missing nkeys and starts the server. It returns
// when JetStream is ready.
func Start(s Settings) (*Server, error) {
	state, err := OpenState(s.Store)
	if err != nil {
		return nil, err
	}
	srv, err := start(s, state)
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return &Server{state, srv, s}, nil
}

func start(s Settings, state *State) (*server.Server, error) {
	keys, err := state.publicKeys(s.Layout.Identities())
	if err != nil {
		return nil, err
	}
	text, err := serverConfig(s, keys)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{}
	if err := opts.ProcessConfigString(text); err != nil {
		return nil, fmt.Errorf("configure the embedded nats server: %w", err)
	}
	opts.NoSigs, opts.NoLog = true, false
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start the embedded nats server: %w", err)
	}
	log := &logger{log: s.Log.With().Str("part", "nats").Logger()}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := awaitReady(srv, log); err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("start the embedded nats server on %s: %w", s.Listen, err)
	}
	return srv, nil
}

// awaitReady waits for JetStream, but no longer than until the server says that it can't.
func awaitReady(srv *server.Server, log *logger) error {
	const step = 100 * time.Millisecond
	for range int(30 * time.Second / step) {
		if srv.ReadyForConnections(step) {
			log.ready.Store(true)
			return nil
		}
		if text := log.fatal.Load(); text != nil {
			return errors.New(*text)
		}
	}
	return errors.New("not ready after 30s; see the log")
}

// serverConfig renders everything but the accounts, which are the bus's.
func serverConfig(s Settings, keys map[string]string) (string, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return "", fmt.Errorf("read nats.embedded.listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("read nats.embedded.listen: %s is not a loopback address; run a NATS cluster for anything else", s.Listen)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("read nats.embedded.listen: bad port %q", port)
	}
	if port == "0" {
		port = "-1"
	}
	sync := `"2m"`
	if s.Durability != config.Process {
		sync = "always"
	}
	store, err := filepath.Abs(filepath.Join(s.Store, "jetstream"))
	if err != nil {
		return "", fmt.Errorf("resolve nats.embedded.store: %w", err)
	}
	return fmt.Sprintf("host: %q\nport: %s\nserver_name: doorward\nmax_payload: %d\nmax_pending: 256MB\nwrite_deadline: \"10s\"\njetstream {\n  store_dir: %q\n  max_file_store: %d\n  max_memory_store: 0\n  sync_interval: %s\n}\n%s",
		host, port, max(s.MaxBody, 1<<20)+overhead, store, s.MaxBytes, sync, s.Layout.ServerConfig(keys)), nil
}

// Setup creates every stream and consumer of the layout, account by account.
func (s *Server) Setup(ctx context.Context) error {
	return SetupBus(ctx, s.Dial(), s.settings.Layout)
}

// SetupBus creates the layout's streams and consumers with the setup identities of dial.
func SetupBus(ctx context.Context, dial bus.Dial, layout bus.Layout) error {
	for _, account := range []string{bus.Edge, bus.Core, bus.Out, bus.Audit} {
		nc, err := dial.Connect(bus.SetupUser(account))
		if err != nil {
			return err
		}
		js, err := jetstream.New(nc)
		if err == nil {
			err = layout.Setup(ctx, account, js)
		}
		nc.Close()
		if err != nil {
			return fmt.Errorf("set up account %s: %w", account, err)
		}
	}
	return nil
}

// URL is the listener's address.
func (s *Server) URL() string { return s.server.ClientURL() }

// Dial reaches this server as any identity, over the loopback listener: with many
// publishers that is faster than a pipe in memory.
func (s *Server) Dial() bus.Dial {
	return bus.Dial{URL: s.URL(), Seeds: s.state.Seed, Log: s.settings.Log}
}

// State is the state directory.
func (s *Server) State() *State { return s.state }

// Running says whether the server still serves JetStream: it disables JetStream itself
// when the disk is full.
func (s *Server) Running() bool { return s.server.Running() && s.server.JetStreamEnabled() }

// Stop shuts the server down and unlocks the state directory. Clients are closed by their
// owners first: shutting down ends JetStream before connections.
func (s *Server) Stop() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.state.Close()
}

// Version is the server's own version.
func Version() string { return server.VERSION }
