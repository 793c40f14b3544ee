package dispatcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/prometheus/client_golang/prometheus"
)

// Results of doorward_dispatcher_deliveries_total.
const (
	resultDelivered = "delivered"
	resultFiltered  = "filtered"
	resultRetried   = "retried"
	resultDead      = "dead"
)

// unknownSource stands for a source that the configuration does not have: label values
// come from the configuration or from closed sets.
const unknownSource = "_unknown"

type metrics struct {
	deliveries *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	attempts   *prometheus.HistogramVec
	dead       *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_dispatcher_deliveries_total", Help: "Attempts and filtered events by target and result."}, []string{"target", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "doorward_dispatcher_delivery_duration_seconds", Help: "Duration of one attempt.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"target"}),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "doorward_dispatcher_attempts", Help: "Attempts until an event was delivered or dead.", Buckets: []float64{1, 2, 3, 5, 8, 13, 21}}, []string{"target"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_dead_letters_total", Help: "Messages set aside, by stage, source and reason."}, []string{"stage", "source", "reason"}),
	}
	if r == nil {
		return m, nil
	}
	var err error
	m.deliveries = registered(r, m.deliveries, &err)
	m.duration = registered(r, m.duration, &err)
	m.attempts = registered(r, m.attempts, &err)
	m.dead = registered(r, m.dead, &err)
	return m, err
}

// registered registers c, or returns what an earlier door of the process registered:
// dead letters are counted by two of them.
func registered[C prometheus.Collector](r prometheus.Registerer, c C, failed *error) C {
	err := r.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := already.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		*failed = errors.Join(*failed, fmt.Errorf("register metrics: %w", err))
	}
	return c
}

// gauge is one target's view of the metrics, with its labels looked up once.
type gauge struct {
	delivered, filtered, retried, deadCount prometheus.Counter
	duration, attempts                      prometheus.Observer
	dead                                    *prometheus.CounterVec
	sources                                 map[string]bool
}

func (m *metrics) of(target string, sources map[string]bool) gauge {
	return gauge{
		delivered: m.deliveries.WithLabelValues(target, resultDelivered),
		filtered:  m.deliveries.WithLabelValues(target, resultFiltered),
		retried:   m.deliveries.WithLabelValues(target, resultRetried),
		deadCount: m.deliveries.WithLabelValues(target, resultDead),
		duration:  m.duration.WithLabelValues(target),
		attempts:  m.attempts.WithLabelValues(target),
		dead:      m.dead,
		sources:   sources,
	}
}

func (g gauge) died(source string, reason outcome.Reason, attempts int) {
	if !g.sources[source] {
		source = unknownSource
	}
	g.deadCount.Inc()
	g.attempts.Observe(float64(attempts))
	g.dead.WithLabelValues("dispatcher", source, string(reason)).Inc()
}

func (g gauge) done(attempts int) {
	g.delivered.Inc()
	g.attempts.Observe(float64(attempts))
}

func (g gauge) took(d time.Duration) { g.duration.Observe(d.Seconds()) }
