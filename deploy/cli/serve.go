package cli

import (
	"path/filepath"

	"github.com/doorward/doorward/deploy/program"
	"github.com/spf13/cobra"
)

func (a *app) serve() *cobra.Command {
	var dev bool
	var health string
	roles := []string{program.RoleIngress, program.RoleVerifier, program.RoleDispatcher, program.RoleAdmin}
	c := &cobra.Command{
		Use:   "serve [ingress|verifier|dispatcher|admin]",
		Short: "Run everything with an embedded NATS server, or one part against a cluster",
		Long: `Run everything in one process with an embedded NATS server, or one part against a NATS cluster
with the same configuration. It stops at SIGINT and SIGTERM, intake first, and reads its configuration again at SIGHUP
and when the file changes.

With --dev it writes a ready configuration with a fresh secret to .doorward on first use,
and shows each delivery as it passes the doors.`,
		Example:   "  doorward serve --dev\n  doorward serve -c doorward.yaml\n  doorward serve verifier -c doorward.yaml --health 127.0.0.1:9092",
		Args:      takesOneOf("part", roles...),
		ValidArgs: roles,
		RunE: func(c *cobra.Command, args []string) error {
			o := program.Options{Dev: dev, Health: health, Stdout: a.Stdout, Stderr: a.Stderr, Version: a.Version, Verbose: a.verbose, Reload: a.Reload}
			if len(args) == 1 {
				o.Role = args[0]
			}
			switch {
			case o.Role == "" && health != "":
				return usage("--health is for a single part: the whole program has it on the admin listener")
			case dev && o.Role != "":
				return usage("--dev runs the whole program, not the %s alone", o.Role)
			}
			var err error
			if o.ConfigPath, err = a.served(dev); err != nil {
				return err
			}
			return program.Run(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&dev, "dev", false, "write a ready configuration on first use, and show each delivery")
	c.Flags().StringVar(&health, "health", "", "`address` of /livez, /readyz and /metrics of a single part")
	return c
}

// served is the configuration to run; --dev makes its own unless one is named.
func (a *app) served(dev bool) (string, error) {
	if !dev || a.config != "" || a.Env("DOORWARD_CONFIG") != "" {
		return a.configPath()
	}
	return program.EnsureDev(filepath.FromSlash(program.DevDir))
}
