package dispatcher

import (
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/prometheus/client_golang/prometheus"
)

// Check reports every mistake that New would find in the targets of a configuration. It
// opens no connection and sends nothing.
func Check(cfg *config.Config) error {
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	k := &kit{names: bus.NewNames(cfg.NATS.Prefix), metrics: m}
	_, err = k.routes(cfg)
	return err
}
