// Package ingress is the outer door: it takes webhooks from anyone and stores them.
//
// It promises that a 2xx is sent only after JetStream acknowledged the request, byte for
// byte as it came; that whatever it refuses costs little and says nothing that helps a
// forger; and that it needs no key to do so: nothing here can tell a genuine signature
// from a forged one. No request of one source takes another source's room.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Limits in time. A body may arrive until readTimeout and the acknowledgement take
// publishTimeout after that, and there must still be time left to answer.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	publishTimeout = 5 * time.Second
	writeTimeout   = readTimeout + publishTimeout + 10*time.Second
	idleTimeout    = 60 * time.Second
	drainTimeout   = 20 * time.Second
)

// Settings of the door.
type Settings struct {
	Config *config.Config
	// Bus is a connection of the identity bus.IngressUser; it stays the caller's to close.
	Bus *nats.Conn
	Log zerolog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
}

// Door is a listening ingress.
type Door struct {
	nc        *nats.Conn
	publisher *bus.Publisher
	listener  net.Listener
	server    *http.Server
	log       zerolog.Logger
	metrics   *metrics

	plan     atomic.Pointer[plan]
	inFlight atomic.Int64
	memory   memory
	parcels  sync.Pool
	serving  atomic.Bool
}

// New compiles the configuration and binds ingress.listen; senders are served once Run is
// called. What is wrong with the configuration comes back as config.Problem.
func New(s Settings) (*Door, error) {
	d := &Door{nc: s.Bus, log: s.Log, metrics: newMetrics()}
	d.memory.free.Store(maxBuffered)
	d.parcels.New = func() any { return newParcel() }
	if err := d.metrics.register(s.Metrics, &d.inFlight); err != nil {
		return nil, fmt.Errorf("register the metrics of the ingress: %w", err)
	}
	p, err := d.compile(s.Config)
	if err != nil {
		return nil, err
	}
	d.plan.Store(p)
	if d.publisher, err = bus.NewPublisher(s.Bus, bus.IngressUser, publishTimeout); err != nil {
		return nil, err
	}
	if d.listener, err = net.Listen("tcp", p.listen); err != nil {
		return nil, errors.Join(s.Config.Problem("ingress.listen", err), d.publisher.Close())
	}
	d.server = d.newServer()
	return d, nil
}

func (d *Door) newServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           http.HandlerFunc(d.serve),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         &protocols,
		ErrorLog:          log.New(serverLog{d.log}, "", 0),
		// "OPTIONS *" is answered like everything else.
		DisableGeneralOptionsHandler: true,
	}
}

// Run serves senders until ctx is done. Then it stops listening, finishes the requests under
// way, for at most 20 seconds, and returns nil: what was cut off got no 2xx. It returns an
// error when the listener fails or the connection to NATS is closed for good, which happens
// when NATS turns the identity away; while NATS is merely down Run waits for it.
func (d *Door) Run(ctx context.Context) (err error) {
	closed := d.nc.StatusChanged(nats.CLOSED)
	defer d.nc.RemoveStatusListener(closed)
	failed := make(chan error, 1)
	go func() { failed <- d.server.Serve(d.listener) }()
	d.serving.Store(true)
	select {
	case err = <-failed:
		failed <- err
		err = fmt.Errorf("serve senders on %s: %w", d.Addr(), err)
	case <-closed:
		err = fmt.Errorf("serve senders: %w", errBusClosed)
	case <-ctx.Done():
	}
	d.serving.Store(false)
	d.drain(context.WithoutCancel(ctx))
	<-failed
	return err
}

var errBusClosed = errors.New("the connection to nats is closed for good")

func (d *Door) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		d.log.Warn().Err(err).Int64("in_flight", d.inFlight.Load()).Msg("requests were cut off at shutdown")
		_ = d.server.Close()
	}
	if err := d.publisher.Close(); err != nil {
		d.log.Debug().Err(err).Msg("acknowledgement inbox was not closed")
	}
}

// Reload swaps in another configuration as a whole, or returns why not and keeps the one it
// has. The address to listen on can't be changed while running.
func (d *Door) Reload(cfg *config.Config) error {
	old := d.plan.Load()
	if cfg.Ingress.Listen != old.listen {
		return cfg.Problem("ingress.listen", fmt.Errorf("can't change from %s while running: restart instead", old.listen))
	}
	p, err := d.compile(cfg)
	if err != nil {
		return err
	}
	d.plan.Store(p)
	for name := range old.sources {
		if p.sources[name] == nil {
			d.metrics.forget(name)
		}
	}
	return nil
}

// Ready says why senders should be sent elsewhere, or nil.
func (d *Door) Ready() error {
	if !d.serving.Load() {
		return errors.New("ingress is not serving")
	}
	if s := d.nc.Status(); s != nats.CONNECTED {
		return fmt.Errorf("ingress is not connected to nats: %s", s)
	}
	return nil
}

// Addr is the address that senders reach, with the port that was drawn for port 0.
func (d *Door) Addr() net.Addr { return d.listener.Addr() }

// serverLog passes on what net/http has to say: failing accepts and panics.
type serverLog struct{ log zerolog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	l.log.Warn().Bytes("cause", line).Msg("http server reported a problem")
	return len(line), nil
}
