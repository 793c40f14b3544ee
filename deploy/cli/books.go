package cli

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/spf13/cobra"
)

func (a *app) books() *cobra.Command {
	var full bool
	c := &cobra.Command{
		Use:   "books",
		Short: "Balance the books: every stored request has exactly one outcome",
		Long: `Balance the books: compare every stored request with the outcomes that carry its raw
sequence, and name each one that is missing or doubled.

Ends with 0 when they balance, 1 when they do not, and 6 when a limit has evicted outcomes
so that some can't be proved any more.`,
		Args: takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := a.patient(c.Context())
			defer cancel()
			b, err := client.Books(ctx, full)
			if err != nil {
				return err
			}
			if err := emit[any](a, b, nil, func(g *grid) { booksRows(g, b) }); err != nil {
				return err
			}
			return balance(b)
		},
	}
	c.Flags().BoolVar(&full, "full", false, "from the first request on, not from the last checkpoint")
	c.AddCommand(a.booksAccept())
	return c
}

func (a *app) booksAccept() *cobra.Command {
	var note string
	c := &cobra.Command{
		Use:   "accept",
		Short: "Let the books go on behind what they can't balance",
		Long: `Let the books go on behind what they can't balance. What is accepted stays unaccounted for, and is kept
in the audit with the --note. Without a terminal to ask on, --yes is needed.`,
		Args: takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			if note == "" {
				return usage("books accept takes a --note of what was found")
			}
			if err := a.ask("what the books can't balance would be accepted", "The books go on behind what they can't balance.\nAccept?", "look at `doorward books` first"); err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := a.patient(c.Context())
			defer cancel()
			b, err := client.AcceptBooks(ctx, note)
			if err != nil {
				return err
			}
			return emit[any](a, b, nil, func(g *grid) { booksRows(g, b) })
		},
	}
	c.Flags().StringVar(&note, "note", "", "what was found, for the audit")
	return c
}

func booksRows(g *grid, b api.Books) {
	g.row("state", b.State)
	g.row("checkpoint", fmt.Sprintf("raw sequence %d", b.Checkpoint))
	if b.Since > 0 {
		g.row("since", fmt.Sprintf("raw sequence %d, up to which an earlier run vouches", b.Since))
	}
	g.row("raw", b.Counts.Raw)
	g.row("verified", b.Counts.Verified)
	g.row("duplicate", b.Counts.Duplicate)
	g.row("refused", b.Counts.Refused)
	g.row("quarantined", b.Counts.Quarantined)
	g.row("pending", b.Counts.Pending)
	if b.Counts.Unaccounted > 0 {
		g.row("unaccounted", b.Counts.Unaccounted)
	}
	if b.MissingCount > 0 {
		g.row("missing", listed(b.Missing, b.MissingCount))
	}
	if b.DoubledCount > 0 {
		g.row("doubled", listed(b.Doubled, b.DoubledCount))
	}
	if b.Unmarked > 0 {
		g.row("unmarked", b.Unmarked)
	}
}

// listed names the first sequences, and how many there are in all.
func listed(seqs []uint64, count uint64) string {
	shown := seqs[:min(len(seqs), 20)]
	text := strings.Trim(fmt.Sprint(shown), "[]")
	if uint64(len(shown)) < count {
		text += fmt.Sprintf(" … %d in all; -o json names them", count)
	}
	return text
}

func balance(b api.Books) error {
	switch {
	case b.Balanced && b.State == api.Balanced:
		return nil
	case b.State == api.Incomplete:
		return fail(ExitPartly, "the books can't prove %d requests: limits have evicted their outcomes", b.UnaccountedByEviction).
			try("raise streams.refused, streams.quarantine or streams.verified")
	}
	return fail(ExitFailed, "the books do not balance: %d missing, %d doubled, %d unmarked", b.MissingCount, b.DoubledCount, b.Unmarked).
		try("keep the state as it is and look up the sequences that are named; `doorward books accept` goes on behind them")
}
