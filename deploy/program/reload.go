package program

import (
	"context"
	"errors"
	"reflect"

	"github.com/doorward/doorward/shared/config"
)

// errRestart: what changed is fixed while the process runs.
var errRestart = errors.New("nats, streams, listeners and the targets' subjects change with a restart only")

// watch takes a changed configuration into the doors, whole or not at all.
func (p *process) watch(ctx context.Context) error {
	return p.cfg.Watch(ctx, p.o.Reload, func(next *config.Config, err error) {
		if err == nil {
			err = p.reload(next)
		}
		if err != nil {
			p.log.Error().Str("cause", err.Error()).Msg("configuration was refused, the one before stays")
			return
		}
		p.log.Info().Int("sources", len(next.Sources)).Msg("configuration was reloaded")
	})
}

// reload gives every door the new configuration; if one refuses, those before it go back.
func (p *process) reload(next *config.Config) error {
	layout, err := LayoutOf(next)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(layout, p.layout) || !reflect.DeepEqual(next.NATS, p.cfg.NATS) || next.Ingress.Listen != p.cfg.Ingress.Listen || next.Admin.Listen != p.cfg.Admin.Listen {
		return errRestart
	}
	for i, d := range p.doors {
		if d.reload == nil {
			continue
		}
		if err := d.reload(next); err != nil {
			return errors.Join(err, p.goBack(i))
		}
	}
	p.cfg = next
	return nil
}

func (p *process) goBack(n int) error {
	var errs []error
	for _, d := range p.doors[:n] {
		if d.reload != nil {
			errs = append(errs, d.reload(p.cfg))
		}
	}
	return errors.Join(errs...)
}
