package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/doorward/doorward/shared/config"
)

// hand is one running worker.
type hand struct {
	worker *worker
	stop   context.CancelFunc
	gone   chan struct{} // closed when nothing of it is under way any more
}

// findTimeout bounds how long finding all consumers may take.
const findTimeout = 10 * time.Second

// start puts every target to work, or none.
func (d *Door) start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	workers, err := d.workers(ctx, d.routes)
	if err != nil {
		return err
	}
	d.running = ctx
	d.swap(d.routes, workers)
	return nil
}

// Reload makes cfg's targets the ones that are worked: new ones begin, changed ones are
// replaced, removed ones finish what is under way, the others don't notice. When it
// fails nothing changes. A new target needs its consumer first, which set-up makes.
// The prefix and the connection can't be changed.
func (d *Door) Reload(cfg *config.Config) error {
	routes, err := d.kit.routes(cfg)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		d.routes = routes
		return nil
	}
	changed := map[string]*route{}
	for name, r := range routes {
		if old := d.routes[name]; old == nil || !old.same(r) {
			changed[name] = r
		} else {
			routes[name] = old
		}
	}
	workers, err := d.workers(d.running, changed)
	if err != nil {
		return fmt.Errorf("reload targets: %w", err)
	}
	d.swap(routes, workers)
	return nil
}

// same says whether two routes do the same. The configuration holds references: a secret
// behind one may have changed.
func (r *route) same(other *route) bool {
	return reflect.DeepEqual(r.config, other.config) && r.secret == other.secret && maps.Equal(r.gauge.sources, other.gauge.sources)
}

func (d *Door) workers(ctx context.Context, routes map[string]*route) (map[string]*worker, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	out := map[string]*worker{}
	var errs []error
	for name, r := range routes {
		w, err := d.kit.newWorker(ctx, r)
		out[name] = w
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// swap stops what is gone or replaced and starts workers. d.mu is held.
func (d *Door) swap(routes map[string]*route, workers map[string]*worker) {
	before := map[string]*hand{}
	for name, h := range d.crew {
		if routes[name] == nil || workers[name] != nil {
			h.stop()
			before[name] = h
			delete(d.crew, name)
		}
	}
	d.routes = routes
	for name, w := range workers {
		d.crew[name] = d.begin(w, before[name])
	}
}

// begin starts a worker. One of an ordered target waits until the one before it is gone.
func (d *Door) begin(w *worker, before *hand) *hand {
	ctx, stop := context.WithCancel(d.running)
	h := &hand{worker: w, stop: stop, gone: make(chan struct{})}
	d.work.Go(func() {
		defer stop()
		defer close(h.gone)
		if before != nil && w.ordered {
			<-before.gone
		}
		w.run(ctx)
	})
	return h
}

// route is the target of that name as it is worked now, nil when there is none.
func (d *Door) route(name string) *route {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.routes[name]
}
