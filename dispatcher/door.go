// Package dispatcher is the inner door: it takes verified events to targets.
//
// It promises that a target gets every event of its sources at least once, with a stable
// id, or that a dead letter says why not; that a target which is slow, hangs or fails
// delays nobody else; and that nothing is acknowledged before its outcome is stored, so
// that a kill at any moment loses nothing. It knows no vendor and no vendor's secret.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Settings are what a dispatcher is made of. Whoever opened Bus and Egress keeps them:
// the door neither closes them nor changes the egress policy.
type Settings struct {
	Config *config.Config
	// Bus is a connection as the identity bus.DispatcherUser, in account OUT.
	Bus     *nats.Conn
	Egress  *egress.Client
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	// Rand returns numbers in [0,1) for jitter; nil means math/rand.
	Rand func() float64
	// Now is the clock of signatures and reports; nil means time.Now.
	Now func() time.Time
}

// kit is what all workers use and none can hold up.
type kit struct {
	nc        *nats.Conn
	core      jetstream.JetStream // CORE's, as OUT sees it
	publisher *bus.Publisher
	egress    *egress.Client
	names     bus.Names
	metrics   *metrics
	log       zerolog.Logger
	rand      func() float64
	now       func() time.Time
}

// ackTimeout is how long a stream may take to acknowledge, well below the ack wait.
const ackTimeout = 5 * time.Second

func newKit(s Settings) (*kit, error) {
	k := &kit{nc: s.Bus, egress: s.Egress, names: bus.NewNames(s.Config.NATS.Prefix), log: s.Log, rand: s.Rand, now: s.Now}
	if k.rand == nil {
		k.rand = rand.Float64
	}
	if k.now == nil {
		k.now = time.Now
	}
	var err error
	if k.metrics, err = newMetrics(s.Metrics); err != nil {
		return nil, err
	}
	if k.core, err = jetstream.NewWithAPIPrefix(s.Bus, bus.APICore); err != nil {
		return nil, fmt.Errorf("open the verified stream's API: %w", err)
	}
	k.publisher, err = bus.NewPublisher(s.Bus, bus.DispatcherUser, ackTimeout)
	return k, err
}

// Door is the dispatcher.
type Door struct {
	kit *kit

	mu      sync.Mutex
	routes  map[string]*route
	crew    map[string]*hand
	running context.Context // nil unless Run is running
	work    sync.WaitGroup
}

// New compiles every target. Mistakes in the configuration come as config.Errors.
func New(s Settings) (*Door, error) {
	k, err := newKit(s)
	if err != nil {
		return nil, err
	}
	d := &Door{kit: k, crew: map[string]*hand{}}
	if d.routes, err = k.routes(s.Config); err != nil {
		_ = k.publisher.Close()
		return nil, err
	}
	return d, nil
}

// Run delivers until ctx is done, then finishes what is under way, within 20 s, and
// returns nil. It fails at once when a target's consumer is missing or differs. It
// can be called once.
func (d *Door) Run(ctx context.Context) error {
	defer func() { _ = d.kit.publisher.Close() }()
	replays, err := d.kit.newReplayer(ctx, d.route)
	if err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	if err := d.start(inner); err != nil {
		return err
	}
	replays.run(inner)
	d.mu.Lock()
	d.running = nil // a reload starts nobody from here on
	d.mu.Unlock()
	d.work.Wait()
	if err := d.kit.nc.FlushTimeout(ackTimeout); err != nil {
		d.kit.log.Warn().Str("cause", err.Error()).Msg("acknowledgements may not have been sent")
	}
	return nil
}

// Ready says why events are not being delivered, nil when they are.
func (d *Door) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil || d.running.Err() != nil {
		return errors.New("dispatcher is not running")
	}
	if !d.kit.nc.IsConnected() {
		return errors.New("dispatcher has lost the bus")
	}
	var errs []error
	for _, h := range d.crew {
		if err := h.worker.failing.Load(); err != nil {
			errs = append(errs, *err)
		}
	}
	return errors.Join(errs...)
}
