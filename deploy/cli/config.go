package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/doorward/doorward/deploy/program"
	"github.com/doorward/doorward/shared/config"
	"github.com/spf13/cobra"
)

func (a *app) configVerbs() *cobra.Command {
	return group("config", "Check the configuration, print its schema, project it for one door", a.configCheck(), a.configSchema(), a.configProject())
}

func (a *app) configCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Report every mistake that starting would, all at once",
		Long:  "Report every mistake that starting would: the file, the secrets, the expressions, the schemas. Nothing is connected to.",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.configPath()
			if err != nil {
				return err
			}
			if err := program.Check(path); err != nil {
				return checked(err)
			}
			cfg, err := program.Load(path)
			if err != nil {
				return err
			}
			type fine struct {
				File    string `json:"file"`
				OK      bool   `json:"ok"`
				Sources int    `json:"sources"`
				Targets int    `json:"targets"`
			}
			return emit[any](a, fine{path, true, len(cfg.Sources), len(cfg.Targets)}, nil, func(g *grid) {
				g.row("ok", path, counted(len(cfg.Sources), "source"), counted(len(cfg.Targets), "target"))
			})
		},
	}
}

// checked makes every reason not to start one of the configuration.
func checked(err error) error {
	if errors.Is(err, fs.ErrPermission) && configFailure(err) == nil {
		return fail(ExitDenied, "%v", err).because(err)
	}
	if f := configFailure(err); f != nil {
		return f
	}
	return fail(ExitConfig, "%v", err).because(err)
}

func (a *app) configSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration, for editors",
		Example: "  doorward config schema > doorward.schema.json",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.Stdout.Write(config.Schema(program.Names()))
			return err
		},
	}
}

func (a *app) configProject() *cobra.Command {
	return &cobra.Command{
		Use:   "project ROLE",
		Short: "Print the part of the configuration that one door may know",
		Long: `Print the part of the configuration that one door may know. Only ingress has one: sources without
keys, and no reference to any secret but the ingress's own credential for NATS.`,
		Example: "  doorward config project ingress > ingress.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return takes("ROLE")(c, args)
			}
			return takesOneOf("role", program.RoleIngress)(c, args)
		},
		ValidArgs: []string{program.RoleIngress},
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			text, err := config.Project(cfg, args[0])
			if err != nil {
				return fail(ExitConfig, "%v", err).because(err)
			}
			_, err = fmt.Fprintf(a.Stdout, "%s", text)
			return err
		},
	}
}
