package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/spf13/cobra"
)

// replaying is what dlq replay was told.
type replaying struct {
	narrowing
	ids                  []letterID
	note                 string
	dryRun, mayDuplicate bool
	rate                 rate
}

func (a *app) dlqReplay() *cobra.Command {
	var o replaying
	c := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Replay dead letters, by id or by filter",
		Long: `Replay dead letters: those named, or those of one stream (--from) that the filter matches.

A refused or quarantined request is verified again, by today's configuration and at its own time of receipt: it
passes only if what was wrong was changed. A dead one goes again to the target it failed at, and to no other. Nothing
is removed. What is older than the memory of nonces is replayed only with --may-duplicate, for it might
be delivered a second time.

Who replays what, and the --note, are kept in the audit. Without a terminal to ask on, --yes is needed.`,
		Example: "  doorward dlq replay dead:7 --note 'billing is back'\n  doorward dlq replay --from dead --reason target_timeout --since 2h --rate 20/s --yes",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(c *cobra.Command, args []string) error { return a.runReplay(c.Context(), args, &o) },
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.note, "note", "", "why, for the audit")
	f.BoolVar(&o.dryRun, "dry-run", false, "list what would be replayed, and replay nothing")
	f.BoolVar(&o.mayDuplicate, "may-duplicate", false, "also what is older than the memory of nonces")
	f.Var(&o.rate, "rate", "order at most so many, for example `20/s`")
	return c
}

func (a *app) runReplay(ctx context.Context, args []string, o *replaying) error {
	if err := a.parseReplay(args, o); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	chosen, err := a.choose(ctx, client, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		return a.showChosen(chosen)
	}
	if err := a.confirm(chosen, o); err != nil {
		return err
	}
	orders, err := a.order(ctx, client, chosen, o)
	if err != nil {
		return a.notAll(orders, len(chosen), err)
	}
	return a.await(ctx, client, orders)
}

func (a *app) parseReplay(args []string, o *replaying) error {
	if _, err := a.format(); err != nil {
		return err
	}
	for _, arg := range args {
		id, err := parseID(arg)
		if err != nil {
			return err
		}
		if !slices.Contains(o.ids, id) {
			o.ids = append(o.ids, id)
		}
	}
	filtered := o.from != "" || o.source != "" || o.target != "" || o.reason != "" || o.since.String() != ""
	switch {
	case len(args) > 0 && filtered:
		return usage("dlq replay takes ids or a filter, not both")
	case len(args) == 0 && o.from == "":
		return usage("dlq replay needs ids, or a stream to filter: --from dead, refused or quarantine").try("doorward dlq ls shows what there is")
	}
	_, err := o.query(a.Now())
	return err
}

// choose resolves the filter to sequences once, so that what is confirmed is what is replayed.
func (a *app) choose(ctx context.Context, client *api.Client, o *replaying) ([]letterID, error) {
	if len(o.ids) > 0 {
		return o.ids, nil
	}
	ctx, cancel := a.patient(ctx)
	defer cancel()
	q, err := o.query(a.Now())
	if err != nil {
		return nil, err
	}
	found, err := client.OrderReplays(ctx, api.ReplayRequest{
		From: o.from, Filter: &q, DryRun: true, MayDuplicate: o.mayDuplicate, Limit: o.limit, Note: o.note,
	})
	if err != nil {
		return nil, err
	}
	var chosen []letterID
	for _, order := range found.Orders {
		chosen = append(chosen, letterID{order.From, order.Seq})
	}
	if len(chosen) == 0 {
		return nil, fail(ExitNotFound, "no dead letter matches")
	}
	if found.Matched > len(chosen) {
		a.note("%d match, the newest %d are taken: --limit", found.Matched, len(chosen))
	}
	return chosen, nil
}

func (a *app) showChosen(chosen []letterID) error {
	type row struct {
		ID   string `json:"id"`
		From string `json:"from"`
		Seq  uint64 `json:"seq"`
	}
	rows := []row{}
	for _, id := range chosen {
		rows = append(rows, row{fmt.Sprintf("%s:%d", id.from, id.seq), id.from, id.seq})
	}
	err := emit(a, rows, rows, func(g *grid) {
		for _, r := range rows {
			g.row(r.ID)
		}
	})
	a.note("%s would be replayed", counted(len(rows), "dead letter"))
	return err
}

// confirm says what would be done, and asks.
func (a *app) confirm(chosen []letterID, o *replaying) error {
	what := counted(len(chosen), "dead letter")
	where := "again to be verified, at the time of receipt"
	if chosen[0].from == api.FromDead {
		where = "again to the targets they failed at"
	}
	warning := ""
	if o.mayDuplicate {
		warning = " Some may be delivered a second time."
	}
	return a.ask(what+" would be replayed", fmt.Sprintf("%s: %s.%s\nReplay?", what, where, warning), "--dry-run lists them")
}

// batch is how many are ordered with one request.
const batch = 100

// order orders the replays, stream by stream, not faster than the rate.
func (a *app) order(ctx context.Context, client *api.Client, chosen []letterID, o *replaying) ([]api.ReplayOrder, error) {
	size, every := batch, time.Duration(0)
	if o.rate > 0 { // five times a second is often enough to look even
		size = min(batch, max(1, int(o.rate/5)))
		every = time.Duration(float64(size) / float64(o.rate) * float64(time.Second))
	}
	orders := []api.ReplayOrder{}
	for i, part := range batches(chosen, size) {
		if i > 0 {
			if err := pause(ctx, every); err != nil {
				return orders, err
			}
		}
		done, err := a.orderPart(ctx, client, part, o)
		orders = append(orders, done...)
		if err != nil {
			return orders, err
		}
	}
	return orders, nil
}

func (a *app) orderPart(ctx context.Context, client *api.Client, part []letterID, o *replaying) ([]api.ReplayOrder, error) {
	ctx, cancel := a.patient(ctx)
	defer cancel()
	r := api.ReplayRequest{From: part[0].from, Note: o.note, MayDuplicate: o.mayDuplicate, Limit: len(part)}
	for _, id := range part {
		r.Seqs = append(r.Seqs, id.seq)
	}
	done, err := client.OrderReplays(ctx, r)
	return done.Orders, err
}

// batches are runs of one stream's ids, each of at most size.
func batches(ids []letterID, size int) [][]letterID {
	byStream := slices.Clone(ids)
	slices.SortStableFunc(byStream, func(x, y letterID) int { return strings.Compare(x.from, y.from) })
	var out [][]letterID
	for _, id := range byStream {
		last := len(out) - 1
		if last < 0 || out[last][0].from != id.from || len(out[last]) == size {
			out = append(out, nil)
			last++
		}
		out[last] = append(out[last], id)
	}
	return out
}

// notAll keeps err's own code only while nothing was ordered.
func (a *app) notAll(orders []api.ReplayOrder, of int, err error) error {
	if len(orders) == 0 {
		return err
	}
	return fail(ExitPartly, "%d of %d replays were ordered, then: %v", len(orders), of, err).because(err)
}

// replayed is one replay and what became of it.
type replayed struct {
	Letter string `json:"letter"`
	api.Replay
}

// await tells of each order what became of it.
func (a *app) await(ctx context.Context, client *api.Client, orders []api.ReplayOrder) error {
	ctx, cancel := a.patient(ctx)
	defer cancel()
	results := []replayed{}
	for _, o := range orders {
		r, err := ended(ctx, client, o)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return a.notAll(orders, len(orders), err)
		}
		results = append(results, replayed{fmt.Sprintf("%s:%d", o.From, o.Seq), r})
	}
	err := emit(a, results, results, func(g *grid) {
		g.row("LETTER", "RESULT", "REASON", "DELIVERY", "FIX")
		for _, r := range results {
			g.row(r.Letter, resultOf(r.Replay), r.Reason, r.ID, r.Fix)
		}
	})
	if err != nil {
		return err
	}
	return a.reckon(results)
}

// ended waits for one order's end.
func ended(ctx context.Context, client *api.Client, o api.ReplayOrder) (api.Replay, error) {
	pending := api.Replay{ID: o.ID, Pending: true}
	for {
		if err := ctx.Err(); err != nil {
			return pending, err
		}
		r, err := client.Replay(ctx, o.ID, glance)
		if err != nil {
			return pending, err
		}
		if !r.Pending {
			return r, nil
		}
		if err := pause(ctx, breath); err != nil {
			return r, err
		}
	}
}

func resultOf(r api.Replay) string {
	if r.Pending {
		return "pending"
	}
	return r.Result
}

// reckon is the exit code's reason: all went through, some did, or none.
func (a *app) reckon(results []replayed) error {
	counts := map[string]int{}
	done, pending := 0, 0
	var fix string
	for _, r := range results {
		result := resultOf(r.Replay)
		counts[result]++
		switch result {
		case "verified", "delivered":
			done++
		case "pending":
			pending++
		default:
			fix = r.Fix
		}
	}
	var parts []string
	for _, result := range []string{"verified", "delivered", "duplicate", "refused", "quarantined", "dead", "failed", "pending"} {
		if counts[result] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[result], result))
		}
	}
	summary := strings.Join(parts, ", ")
	switch {
	case done == len(results):
		a.note("%s", summary)
		return nil
	case pending == len(results):
		return fail(ExitUnreachable, "%s: not worked on within --timeout", summary).try("is the verifier, for dead letters the dispatcher, running?")
	case done == 0 && pending == 0:
		return fail(ExitFailed, "%s", summary).try(fix)
	}
	return fail(ExitPartly, "%s", summary).try(fix)
}
