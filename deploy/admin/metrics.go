package admin

import (
	"fmt"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the bus's numbers as of the last look; a scrape never waits for the bus.
type metrics struct {
	bytes, messages, oldest  *prometheus.GaugeVec
	pending, ackPending      *prometheus.GaugeVec
	looked, balancedAt       prometheus.Gauge
	missing, doubled, evicts prometheus.Gauge
}

func newMetrics(r *prometheus.Registry, v api.Version) (*metrics, error) {
	build := gauges("build_info", "The running program; always 1.", "version", "commit", "go")
	m := &metrics{
		bytes:      gauges("store_bytes", "Bytes that a stream keeps.", "stream"),
		messages:   gauges("store_messages", "Messages that a stream keeps.", "stream"),
		oldest:     gauges("store_oldest_seconds", "Age of a stream's oldest message in seconds.", "stream"),
		pending:    gauges("consumer_pending", "Messages that a worker has not been handed yet. The stage is verifier (name: lane) or dispatcher (name: target).", "stage", "name"),
		ackPending: gauges("consumer_ack_pending", "Messages that a worker was handed and has not settled.", "stage", "name"),
		looked:     gauge("bus_measured_timestamp_seconds", "When the bus was last measured."),
		balancedAt: gauge("books_balanced_timestamp_seconds", "When the books last balanced."),
		missing:    gauge("books_missing", "Raw sequences without an outcome, as of the last run of the books."),
		doubled:    gauge("books_doubled", "Raw sequences with two outcomes, as of the last run of the books."),
		evicts:     gauge("books_unaccounted", "Raw sequences whose record a limit took before the books saw it, in all."),
	}
	for _, c := range []prometheus.Collector{build, m.bytes, m.messages, m.oldest, m.pending, m.ackPending, m.looked, m.balancedAt, m.missing, m.doubled, m.evicts} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the admin's metrics: %w", err)
		}
	}
	build.WithLabelValues(v.Version, v.Commit, v.Go).Set(1)
	return m, nil
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "doorward", Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "doorward", Name: name, Help: help})
}

func (m *metrics) take(s api.Stats) {
	for _, st := range s.Streams {
		m.bytes.WithLabelValues(st.Stream).Set(float64(st.Bytes))
		m.messages.WithLabelValues(st.Stream).Set(float64(st.Messages))
		m.oldest.WithLabelValues(st.Stream).Set(st.OldestSeconds)
	}
	m.pending.Reset() // a target that is gone must not keep its last number
	m.ackPending.Reset()
	m.consumers("verifier", s.Lanes)
	m.consumers("dispatcher", s.Targets)
	m.looked.Set(float64(s.At.UnixMilli()) / 1e3)
}

func (m *metrics) consumers(stage string, list []api.Consumer) {
	for _, c := range list {
		m.pending.WithLabelValues(stage, c.Name).Set(float64(c.Pending))
		m.ackPending.WithLabelValues(stage, c.Name).Set(float64(c.AckPending))
	}
}

func (m *metrics) balanced(r api.Books) {
	m.missing.Set(float64(r.MissingCount - r.UnaccountedByEviction))
	m.doubled.Set(float64(r.DoubledCount))
	m.evicts.Set(float64(r.Counts.Unaccounted))
	if r.Balanced {
		m.balancedAt.Set(float64(r.At.UnixMilli()) / 1e3)
	}
}
