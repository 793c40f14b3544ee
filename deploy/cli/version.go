package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/embedded"
	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				api.Version
				NATS string `json:"nats_server"`
			}{api.Version{Version: a.Version, Commit: commit(), Go: runtime.Version()}, embedded.Version()}
			return emit[any](a, v, nil, func(g *grid) {
				g.row("doorward", v.Version.Version)
				if v.Commit != "" {
					g.row("commit", v.Commit)
				}
				g.row("go", v.Go)
				g.row("nats-server", v.NATS)
			})
		},
	}
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
