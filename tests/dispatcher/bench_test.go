package dispatcher_test

import (
	"context"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
)

// BenchmarkNATSTarget drains a full verified stream into a NATS target. Server and door
// share the process; run with -benchtime 100000x.
func BenchmarkNATSTarget(b *testing.B) {
	w := start(b, options{targets: map[string]config.Target{"resume": natsTarget("resume.{correlationid}")}})
	w.stop()
	pending := make([]*bus.Pending, 0, b.N)
	for i := range b.N {
		e := someEvent(i)
		m := e.Msg(w.bus.Names.In(e.DwSource, e.Type))
		m.Header.Set(bus.MsgID, event.Escape(e.ID))
		p, err := w.in.Send(m)
		if err != nil {
			b.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if _, err := p.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	w.start(true)
	w.settled("resume")
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
