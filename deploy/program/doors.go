package program

import (
	"context"
	"fmt"
	"runtime"

	"github.com/doorward/doorward/deploy/admin"
	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/dispatcher"
	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/standalone"
	"github.com/doorward/doorward/verifier"
)

// makeDoors makes the role's doors, from the inside out.
func (p *process) makeDoors(ctx context.Context) error {
	for _, part := range []struct {
		role string
		make func(context.Context) error
	}{
		{RoleAdmin, p.makeAdmin},
		{RoleDispatcher, p.makeDispatcher},
		{RoleVerifier, p.makeVerifier},
		{RoleIngress, p.makeIngress},
	} {
		if p.o.Role != "" && p.o.Role != part.role {
			continue
		}
		if err := part.make(ctx); err != nil {
			return fmt.Errorf("start the %s: %w", part.role, err)
		}
	}
	return nil
}

func (p *process) makeIngress(context.Context) error {
	nc, err := p.connect(bus.IngressUser)
	if err != nil {
		return err
	}
	d, err := ingress.New(ingress.Settings{Config: p.cfg, Bus: nc, Log: p.log, Metrics: p.registry})
	if err != nil {
		return err
	}
	p.doors = append(p.doors, door{RoleIngress, d.Run, d.Reload, d.Ready})
	if p.o.Dev {
		p.welcome(d.Addr().String())
	}
	return nil
}

func (p *process) makeVerifier(ctx context.Context) error {
	edge, err := p.connect(bus.VerifierEdgeUser)
	if err != nil {
		return err
	}
	core, err := p.connect(bus.VerifierUser)
	if err != nil {
		return err
	}
	seal, err := p.secret("verifier.seal", p.cfg.Verifier.Seal, "seal")
	if err != nil {
		return err
	}
	nonceKey, err := p.secret("verifier.nonce_key", p.cfg.Verifier.NonceKey, "nonce")
	if err != nil {
		return err
	}
	v, err := verifier.New(ctx, verifier.Settings{Config: p.cfg, Edge: edge, Core: core, Seal: seal, NonceKey: nonceKey, Log: p.log, Metrics: p.registry})
	if err != nil {
		return err
	}
	p.doors = append(p.doors, door{RoleVerifier, v.Run, v.Reload, v.Ready})
	return nil
}

func (p *process) makeDispatcher(context.Context) error {
	nc, err := p.connect(bus.DispatcherUser)
	if err != nil {
		return err
	}
	client, err := egress.New(dispatcher.Policy(p.cfg), egress.Settings{})
	if err != nil {
		return p.cfg.Problem("egress", err)
	}
	d, err := dispatcher.New(dispatcher.Settings{Config: p.cfg, Bus: nc, Egress: client, Log: p.log, Metrics: p.registry})
	if err != nil {
		return err
	}
	// The egress policy changes after the targets, so that no target of the old
	// configuration is sent to under rules that were not made for it.
	reload := func(cfg *config.Config) error {
		if err := d.Reload(cfg); err != nil {
			return err
		}
		return client.Swap(dispatcher.Policy(cfg))
	}
	p.doors = append(p.doors, door{RoleDispatcher, d.Run, reload, d.Ready})
	return nil
}

func (p *process) makeAdmin(context.Context) error {
	ops, err := p.connect(bus.OpsUser)
	if err != nil {
		return err
	}
	janitor, err := p.connect(bus.JanitorUser)
	if err != nil {
		return err
	}
	token, err := p.secret("admin.token", p.cfg.Admin.Token, "admin")
	if err != nil {
		return err
	}
	a, err := admin.New(admin.Settings{
		Config: p.cfg, Ops: ops, Janitor: janitor, Token: token, Log: p.log, Registry: p.registry, Ready: p.ready,
		Version: api.Version{Version: p.o.Version, Go: runtime.Version()},
	})
	if err != nil {
		return err
	}
	p.doors = append(p.doors, door{RoleAdmin, a.Run, a.Reload, a.Ready})
	if p.o.Dev {
		p.doors = append(p.doors, p.viewer(a.Addr(), token))
	}
	return nil
}

// secret resolves a reference, or takes the one kept in the embedded server's state.
func (p *process) secret(path string, ref config.Ref, kept string) (config.Secret, error) {
	if ref == "" && p.server != nil {
		file, err := p.server.State().Secret(kept)
		if err != nil {
			return config.Secret{}, err
		}
		ref = config.Ref("file:" + file)
	}
	return standalone.Resolve(p.cfg, path, ref)
}
