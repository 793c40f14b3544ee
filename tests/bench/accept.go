package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/deploy/program"
	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/rs/zerolog"
)

// accept runs the outer door alone, on the bus as it ships, so that what follows it does
// not share its processors: the counterpart of the first floor.
func accept(ctx context.Context, store string, sync bool) error {
	path := filepath.Join(store, "doorward.yaml")
	if err := os.WriteFile(filepath.Join(store, "secret"), []byte("whsec_"+benchSecret), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(fmt.Sprintf(benchConfig, 0, durabilityName(sync), 0, 0)), 0o600); err != nil {
		return err
	}
	cfg, err := program.Load(path)
	if err != nil {
		return err
	}
	layout, err := program.LayoutOf(cfg)
	if err != nil {
		return err
	}
	srv, err := embedded.Start(embedded.Settings{
		Store: cfg.NATS.Embedded.Store, Listen: "127.0.0.1:0", MaxBytes: int64(cfg.NATS.Embedded.MaxBytes), MaxBody: int64(cfg.Ingress.MaxBody),
		Durability: cfg.NATS.Durability, Layout: layout, Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel),
	})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Stop() }()
	return runIngress(ctx, srv, cfg)
}

func runIngress(ctx context.Context, srv *embedded.Server, cfg *config.Config) error {
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := srv.Setup(starting); err != nil {
		return err
	}
	nc, err := srv.Dial().Connect(bus.IngressUser)
	if err != nil {
		return err
	}
	defer nc.Close()
	d, err := ingress.New(ingress.Settings{Config: cfg, Bus: nc, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	fmt.Printf("http=%s nats=%s\n", d.Addr(), "none")
	return d.Run(ctx)
}

func durabilityName(sync bool) config.Durability {
	if sync {
		return config.PowerLoss
	}
	return config.Process
}
