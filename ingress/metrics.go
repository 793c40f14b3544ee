package ingress

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownSource is the label of requests that name no source: labels never grow from input.
const unknownSource = "_unknown"

var (
	durationBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	sizeBuckets     = prometheus.ExponentialBuckets(256, 4, 8)
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	size     *prometheus.HistogramVec
}

func newMetrics() *metrics {
	bySource := []string{"source"}
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_ingress_requests_total", Help: "Requests answered, by status code.",
		}, []string{"source", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "doorward_ingress_request_duration_seconds", Help: "Time from a request's header to its answer.", Buckets: durationBuckets,
		}, bySource),
		size: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "doorward_ingress_body_bytes", Help: "Bodies stored.", Buckets: sizeBuckets,
		}, bySource),
	}
}

func (m *metrics) register(r prometheus.Registerer, inFlight *atomic.Int64) error {
	if r == nil {
		return nil
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "doorward_ingress_inflight", Help: "Requests under way.",
	}, func() float64 { return float64(inFlight.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.size, gauge} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// of resolves a source's series once, so that no request has to.
func (m *metrics) of(s *source) *source {
	s.accepted = m.requests.WithLabelValues(s.name, strconv.Itoa(http.StatusAccepted))
	s.duration = m.duration.WithLabelValues(s.name)
	s.size = m.size.WithLabelValues(s.name)
	return s
}

func (m *metrics) refused(source string, status int) {
	m.requests.WithLabelValues(source, strconv.Itoa(status)).Inc()
}

// forget drops the series of a source that is gone.
func (m *metrics) forget(source string) {
	gone := prometheus.Labels{"source": source}
	m.requests.DeletePartialMatch(gone)
	m.duration.DeletePartialMatch(gone)
	m.size.DeletePartialMatch(gone)
}
