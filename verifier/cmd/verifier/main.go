// Command verifier is the guard on its own, against a NATS cluster.
//
// It promises that nobody reaches it: it listens to the bus alone, and to whoever checks
// its health.
package main

import (
	"context"
	"os"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/shared/standalone"
	"github.com/doorward/doorward/verifier"
)

func main() { os.Exit(standalone.Main(program(), os.Args[1:], os.Stderr)) }

func program() standalone.Program {
	return standalone.Program{Name: "verifier", Config: "doorward.yaml", Health: "127.0.0.1:9092", Load: load, Open: open}
}

func load(path string) (*config.Config, error) {
	return config.Load(path, config.Options{Providers: provider.Names()})
}

func open(ctx context.Context, s standalone.Settings) (standalone.Door, error) {
	seal, err := standalone.Resolve(s.Config, "verifier.seal", s.Config.Verifier.Seal)
	if err != nil {
		return nil, err
	}
	nonceKey, err := standalone.Resolve(s.Config, "verifier.nonce_key", s.Config.Verifier.NonceKey)
	if err != nil {
		return nil, err
	}
	edge, err := s.Connect(bus.VerifierEdgeUser)
	if err != nil {
		return nil, err
	}
	core, err := s.Connect(bus.VerifierUser)
	if err != nil {
		return nil, err
	}
	return verifier.New(ctx, verifier.Settings{Config: s.Config, Edge: edge, Core: core, Seal: seal, NonceKey: nonceKey, Log: s.Log, Metrics: s.Metrics})
}
