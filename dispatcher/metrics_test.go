package dispatcher

import (
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/prometheus/client_golang/prometheus"
)

func TestLabelsComeFromTheConfiguration(t *testing.T) {
	registry := prometheus.NewRegistry()
	for range 2 { // two doors of one process share what is registered
		m, err := newMetrics(registry)
		if err != nil {
			t.Fatal(err)
		}
		g := m.of("billing", map[string]bool{"agents": true})
		g.died("agents", outcome.TargetGone, 3)
		g.died("whatever a header said", outcome.Internal, 1)
		g.done(2)
		g.took(time.Millisecond)
	}
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"doorward_dead_letters_total reason=target_gone source=agents stage=dispatcher": 2,
		"doorward_dead_letters_total reason=internal source=_unknown stage=dispatcher":  2,
		"doorward_dispatcher_deliveries_total result=delivered target=billing":          2,
		"doorward_dispatcher_deliveries_total result=dead target=billing":               4,
		"doorward_dispatcher_deliveries_total result=filtered target=billing":           0,
		"doorward_dispatcher_deliveries_total result=retried target=billing":            0,
		"doorward_dispatcher_attempts target=billing":                                   6,
		"doorward_dispatcher_delivery_duration_seconds target=billing":                  2,
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s: got %v, want %v", key, got[key], n)
		}
	}
}
