// Package verifier is the guard between the doors: the only part with senders' secrets.
//
// It promises that every raw message ends as exactly one stored outcome (verified,
// duplicate, refused, quarantined) before it is acknowledged; that authenticity and
// freshness are judged at the time of receipt as the bus recorded it; that a nonce is
// derived after every check, from what the signature covers; and that each source's
// events are stored in the order in which its requests were, through crashes and with any
// number of verifiers.
package verifier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/verifier/nonce"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Settings of a verifier. The two connections belong to two accounts: raw requests on one
// side of the wall, verified events on the other.
type Settings struct {
	Config *config.Config
	// Edge is connected as bus.VerifierEdgeUser, Core as bus.VerifierUser.
	Edge, Core *nats.Conn
	// Seal is the key to which refused requests are sealed, NonceKey keys the nonces.
	Seal, NonceKey config.Secret
	Log            zerolog.Logger
	Metrics        prometheus.Registerer
}

// Verifier works every lane that no other verifier holds.
type Verifier struct {
	names     bus.Names
	edgeConn  *nats.Conn
	coreConn  *nats.Conn
	edge      jetstream.JetStream
	publisher *bus.Publisher
	readers   readers
	records   recorder
	nonces    *nonce.Deriver
	room      *headroom
	rules     atomic.Pointer[ruleset]
	window    time.Duration // duplicate window of the verified stream
	lanes     []*lane
	replayer  *replayer
	metrics   *metrics
	log       zerolog.Logger
	running   atomic.Bool
}

// publishTimeout bounds the wait for one outcome's acknowledgement.
const publishTimeout = 5 * time.Second

// New compiles the configuration and finds the bus's streams. Mistakes of the
// configuration are returned all at once, with their places.
func New(ctx context.Context, s Settings) (*Verifier, error) {
	rules, err := compile(s.Config)
	if err != nil {
		return nil, err
	}
	v := &Verifier{names: bus.NewNames(s.Config.NATS.Prefix), edgeConn: s.Edge, coreConn: s.Core, log: s.Log}
	v.rules.Store(rules)
	if v.nonces, err = nonce.NewDeriver(s.NonceKey.Reveal()); err != nil {
		return nil, err
	}
	seal, err := newSealer(s.Seal)
	if err != nil {
		return nil, err
	}
	v.records = recorder{v.names, seal}
	if v.metrics, err = newMetrics(s.Metrics); err != nil {
		return nil, err
	}
	return v, v.attach(ctx)
}

// attach opens what the verifier uses of the bus.
func (v *Verifier) attach(ctx context.Context) error {
	var err error
	if v.edge, err = jetstream.New(v.edgeConn); err != nil {
		return err
	}
	core, err := jetstream.New(v.coreConn)
	if err != nil {
		return err
	}
	verified, err := core.Stream(ctx, v.names.Stream(bus.Verified))
	if err != nil {
		return fmt.Errorf("find the verified stream: %w; was the bus set up?", err)
	}
	v.window = verified.CachedInfo().Config.Duplicates
	if err := v.checkWindow(v.rules.Load()); err != nil {
		return err
	}
	v.room = newHeadroom(verified, v.log)
	reader := func(s bus.Stream) *bus.Reader { return bus.NewReader(v.coreConn, bus.APILocal, v.names.Stream(s)) }
	v.readers = readers{reader(bus.Verified), reader(bus.Refused), reader(bus.Quarantine), reader(bus.Nonces)}
	if v.publisher, err = bus.NewPublisher(v.coreConn, bus.VerifierUser, publishTimeout); err != nil {
		return err
	}
	if err := v.openLanes(ctx); err != nil {
		return err
	}
	v.replayer, err = newReplayer(ctx, v, core)
	return err
}

func (v *Verifier) openLanes(ctx context.Context) error {
	for i := range bus.Lanes {
		c, err := v.edge.Consumer(ctx, v.names.Stream(bus.Raw), bus.LaneConsumer(i))
		if err != nil {
			return fmt.Errorf("find lane %d: %w; was the bus set up?", i, err)
		}
		l := &lane{number: i, v: v, consumer: c, log: v.log}
		l.settle = newSettler(l)
		v.lanes = append(v.lanes, l)
	}
	return nil
}

// checkWindow refuses a configuration whose copies could outlive the window as it stands.
func (v *Verifier) checkWindow(r *ruleset) error {
	if r.lookback > v.window {
		return fmt.Errorf("the verified stream remembers %s, the configuration needs %s: restart with set-up, or lower verify.tolerance", v.window, r.lookback)
	}
	return nil
}

// Run works until ctx is done; what was pulled by then is finished or stays in the stream.
func (v *Verifier) Run(ctx context.Context) error {
	v.running.Store(true)
	defer v.running.Store(false)
	// What is pulled is published after ctx is done, so headroom outlives it a little.
	room, stopRoom := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { v.room.run(room) })
	var work sync.WaitGroup
	for _, l := range v.lanes {
		work.Go(func() { l.run(ctx) })
	}
	work.Go(func() { v.replayer.run(ctx) })
	work.Wait()
	stopRoom()
	wg.Wait()
	return errors.Join(v.publisher.Close(), v.edgeConn.FlushTimeout(5*time.Second))
}

// Reload compiles a configuration and swaps it in whole; on an error the one before stays.
func (v *Verifier) Reload(cfg *config.Config) error {
	rules, err := compile(cfg)
	if err != nil {
		return err
	}
	if err := v.checkWindow(rules); err != nil {
		return err
	}
	v.rules.Store(rules)
	return nil
}

// Ready says why the verifier can't work now, or nil.
func (v *Verifier) Ready() error {
	switch {
	case !v.running.Load():
		return errors.New("verifier is not running")
	case !v.edgeConn.IsConnected() || !v.coreConn.IsConnected():
		return errors.New("verifier has lost its bus")
	}
	return nil
}
