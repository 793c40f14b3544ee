// Command dispatcher is the inner door on its own, against a NATS cluster.
//
// It promises to stop without losing an event, and to send nothing but to the targets
// that its configuration names.
package main

import (
	"context"
	"os"

	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/standalone"
)

func main() { os.Exit(standalone.Main(program(), os.Args[1:], os.Stderr)) }

func program() standalone.Program {
	return standalone.Program{Name: "dispatcher", Config: "doorward.yaml", Health: "127.0.0.1:9093", Load: load, Open: open}
}

func load(path string) (*config.Config, error) { return config.Load(path, config.Options{}) }

func open(_ context.Context, s standalone.Settings) (standalone.Door, error) {
	nc, err := s.Connect(bus.DispatcherUser)
	if err != nil {
		return nil, err
	}
	out, err := egress.New(dispatcher.Policy(s.Config), egress.Settings{})
	if err != nil {
		return nil, s.Config.Problem("egress", err)
	}
	d, err := dispatcher.New(dispatcher.Settings{Config: s.Config, Bus: nc, Egress: out, Log: s.Log, Metrics: s.Metrics})
	if err != nil {
		return nil, err
	}
	return &door{d, out}, nil
}

// door changes the egress policy after the targets, so that no target of the old
// configuration is sent to under rules that were not made for it.
type door struct {
	*dispatcher.Door
	out *egress.Client
}

// Reload swaps targets and egress policy.
func (d *door) Reload(cfg *config.Config) error {
	if err := d.Door.Reload(cfg); err != nil {
		return err
	}
	return d.out.Swap(dispatcher.Policy(cfg))
}
