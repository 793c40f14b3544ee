// Command ingress is the outer door on its own, against a NATS cluster.
//
// It promises to run without a single secret but its own credential for NATS: its
// configuration is what "doorward config project ingress" writes.
package main

import (
	"context"
	"os"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/standalone"
)

func main() { os.Exit(standalone.Main(program(), os.Args[1:], os.Stderr)) }

func program() standalone.Program {
	return standalone.Program{Name: "ingress", Config: "ingress.yaml", Health: "127.0.0.1:9091", Load: load, Open: open}
}

func load(path string) (*config.Config, error) {
	return config.LoadProjected(path, config.Options{})
}

func open(_ context.Context, s standalone.Settings) (standalone.Door, error) {
	nc, err := s.Connect(bus.IngressUser)
	if err != nil {
		return nil, err
	}
	d, err := ingress.New(ingress.Settings{Config: s.Config, Bus: nc, Log: s.Log, Metrics: s.Metrics})
	if err != nil {
		return nil, err
	}
	s.Log.Info().Stringer("address", d.Addr()).Msg("ingress opened")
	return d, nil
}
