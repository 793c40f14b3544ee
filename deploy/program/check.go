package program

import (
	"context"
	"fmt"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/standalone"
	"github.com/doorward/doorward/verifier"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"
)

// Check reports everything that loading would: the file, the secrets and their strength,
// the expressions, the schemas, the bus's limits. It opens no connection.
func Check(path string) error {
	cfg, mistakes := Load(path)
	if cfg == nil {
		return mistakes
	}
	_, layout := LayoutOf(cfg)
	return config.Collect(mistakes, layout, verifier.Check(cfg), dispatcher.Check(cfg))
}

// Setup creates streams and consumers on an external cluster.
func Setup(ctx context.Context, path string) error {
	cfg, err := Load(path)
	if err != nil {
		return err
	}
	if cfg.NATS.URL == "" {
		return cfg.Problem("nats", fmt.Errorf("an embedded server is set up when it starts; only nats.url needs this"))
	}
	layout, err := LayoutOf(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	return embedded.SetupBus(ctx, standalone.Dial(cfg, zerolog.Nop()), layout)
}

// NATSConfig renders the accounts of an external cluster for the configured credentials;
// only public keys stand in it.
func NATSConfig(path string) (string, error) {
	cfg, err := Load(path)
	if err != nil {
		return "", err
	}
	layout, err := LayoutOf(cfg)
	if err != nil {
		return "", err
	}
	keys := map[string]string{}
	for identity, ref := range cfg.NATS.Credentials {
		if keys[identity], err = publicKey(ref); err != nil {
			return "", cfg.Problem("nats.credentials."+identity, err)
		}
	}
	return layout.ServerConfig(keys), nil
}

func publicKey(ref config.Ref) (string, error) {
	seed, err := ref.Resolve()
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromSeed(seed.Reveal())
	if err != nil {
		return "", fmt.Errorf("not an nkey seed: %w", err)
	}
	return pair.PublicKey()
}
