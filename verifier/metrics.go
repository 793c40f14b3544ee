package verifier

import (
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts outcomes. Labels come from the configuration and from closed sets only.
type metrics struct {
	events     *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	duration   *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "doorward_verifier_events_total", Help: "Raw messages by outcome."}, []string{"source", "result"}),
		rejected:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "doorward_verifier_rejected_total", Help: "Refused and quarantined messages by reason."}, []string{"source", "reason"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "doorward_duplicates_total", Help: "Deliveries that were known already."}, []string{"source"}),
		duration:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "doorward_verifier_duration_seconds", Help: "From the verifier's first sight of a message to its stored outcome.", Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12)}, []string{"source"}),
	}
	for _, c := range []prometheus.Collector{m.events, m.rejected, m.duplicates, m.duration} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// unknownSource is the label for whatever the configuration does not name.
const unknownSource = "_unknown"

func (m *metrics) observe(it *item) {
	label := unknownSource
	if it.decision.source != nil {
		label = it.decision.source.name
	}
	m.events.WithLabelValues(label, it.decision.verdict.String()).Inc()
	m.duration.WithLabelValues(label).Observe(time.Since(it.started).Seconds())
	switch it.decision.verdict {
	case outcome.Duplicate:
		m.duplicates.WithLabelValues(label).Inc()
	case outcome.Refused, outcome.Quarantined:
		m.rejected.WithLabelValues(label, string(it.decision.reason)).Inc()
	}
}
