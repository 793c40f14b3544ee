package cli

import (
	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/config"
	"github.com/spf13/cobra"
)

func (a *app) stats() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Show what each stream keeps and what waits before each worker",
		Args:  takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := a.patient(c.Context())
			defer cancel()
			s, err := client.Stats(ctx)
			if err != nil {
				return err
			}
			return emit[any](a, s, nil, func(g *grid) { statsRows(g, s) })
		},
	}
}

func statsRows(g *grid, s api.Stats) {
	g.row("STREAM", "MESSAGES", "BYTES", "OF", "LAST", "OLDEST")
	for _, r := range s.Streams {
		limit := ""
		if r.MaxBytes > 0 {
			limit = config.Bytes(r.MaxBytes).String()
		}
		g.row(r.Stream, r.Messages, r.Bytes, limit, r.LastSeq, age(r.OldestSeconds))
	}
	g.gap()
	g.row("WORKER", "PENDING", "UNDER WAY", "AGAIN", "OLDEST")
	for _, c := range s.Lanes {
		if c.Missing || c.Pending > 0 || c.AckPending > 0 { // idle lanes tell nothing
			consumerRow(g, "lane "+c.Name, c)
		}
	}
	for _, c := range s.Targets {
		consumerRow(g, "target "+c.Name, c)
	}
	g.gap()
	g.row("OUTCOME", "SOURCE", "TARGET", "REASON", "KEPT")
	for _, t := range s.Stored {
		g.row(t.Outcome, t.Source, t.Target, t.Reason, t.Count)
	}
}

func consumerRow(g *grid, name string, c api.Consumer) {
	if c.Missing {
		g.row(name, "missing", "", "", "")
		return
	}
	g.row(name, c.Pending, c.AckPending, c.Redelivered, age(c.OldestSeconds))
}
