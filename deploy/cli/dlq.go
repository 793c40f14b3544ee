package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/config"
	"github.com/spf13/cobra"
)

// origins are what --from may say.
var origins = []string{api.FromDead, api.FromRefused, api.FromQuarantine}

// narrowing are the flags that choose dead letters.
type narrowing struct {
	from, source, target, reason string
	since                        moment
	limit                        int
}

func (n *narrowing) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&n.from, "from", "", "`stream`: dead, refused or quarantine")
	f.StringVar(&n.source, "source", "", "only of this `source`")
	f.StringVar(&n.target, "target", "", "only of this `target`")
	f.StringVar(&n.reason, "reason", "", "only with this `reason`")
	f.Var(&n.since, "since", "only newer than this: a `time` (RFC 3339) or a duration such as 2h or 7d")
	f.IntVar(&n.limit, "limit", 100, "at most so many, newest first")
}

func (n *narrowing) query(now time.Time) (api.DeadLetterQuery, error) {
	if n.from != "" && !slices.Contains(origins, n.from) {
		return api.DeadLetterQuery{}, usage("--from %q: there are %s", n.from, strings.Join(origins, ", "))
	}
	if n.limit < 1 || n.limit > 1000 {
		return api.DeadLetterQuery{}, usage("--limit must be between 1 and 1000")
	}
	return api.DeadLetterQuery{From: n.from, Source: n.source, Target: n.target, Reason: n.reason, Since: n.since.before(now), Limit: n.limit}, nil
}

// moment is a time, or how long ago; it is a flag's value.
type moment struct {
	at  time.Time
	ago time.Duration
}

// String is the moment as it is written.
func (m *moment) String() string {
	switch {
	case !m.at.IsZero():
		return m.at.Format(time.RFC3339)
	case m.ago > 0:
		return config.Duration(m.ago).String()
	}
	return ""
}

// Set reads a moment.
func (m *moment) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		*m = moment{at: at}
		return nil
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("%q is neither a time (RFC 3339) nor a duration such as 2h or 7d", text)
	}
	*m = moment{ago: time.Duration(d)}
	return nil
}

// Type names the value in help.
func (m *moment) Type() string { return "time" }

func (m *moment) before(now time.Time) time.Time {
	if m.ago > 0 {
		return now.Add(-m.ago)
	}
	return m.at
}

func (a *app) dlq() *cobra.Command {
	return group("dlq", "List, show and replay what was refused, quarantined or not delivered", a.dlqList(), a.dlqShow(), a.dlqReplay())
}

func (a *app) dlqList() *cobra.Command {
	var n narrowing
	c := &cobra.Command{
		Use:   "ls",
		Short: "List dead letters, newest first",
		Long: `List what was refused, quarantined or not delivered, newest first. Duplicates are
listed with --reason duplicate only: the first copy of each was delivered.`,
		Example: "  doorward dlq ls --since 2h\n  doorward dlq ls --from quarantine --source github",
		Args:    takes(),
		RunE:    func(c *cobra.Command, _ []string) error { return a.runList(c.Context(), &n) },
	}
	n.flags(c)
	return c
}

func (a *app) runList(ctx context.Context, n *narrowing) error {
	q, err := n.query(a.Now())
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	ctx, cancel := a.patient(ctx)
	defer cancel()
	list, err := client.DeadLetters(ctx, q)
	if err != nil {
		return err
	}
	if err := emit(a, list, slices.Concat([]api.DeadLetter{}, list.Rows), func(g *grid) { deadLetterRows(g, list.Rows) }); err != nil {
		return err
	}
	a.note("%s", summaryOf(list))
	return nil
}

func deadLetterRows(g *grid, rows []api.DeadLetter) {
	if len(rows) == 0 {
		return
	}
	g.row("ID", "AGE", "SOURCE", "TARGET", "STAGE", "REASON", "TRIES", "TYPE")
	for _, r := range rows {
		g.row(r.ID, age(r.AgeSeconds), r.Source, r.Target, r.Stage, r.Reason, r.Attempts, r.Type)
	}
}

func summaryOf(list api.DeadLetters) string {
	if list.Matched == 0 {
		return "no dead letters"
	}
	parts := make([]string, len(list.Reasons))
	for i, r := range list.Reasons {
		parts[i] = fmt.Sprintf("%s %d", r.Reason, r.Count)
	}
	return fmt.Sprintf("%d of %d: %s", len(list.Rows), list.Matched, strings.Join(parts, " · "))
}

// age is seconds as a person says them.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// letterID is a row's id: the stream and the sequence in it.
type letterID struct {
	from string
	seq  uint64
}

func parseID(text string) (letterID, error) {
	from, number, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 || !slices.Contains(origins, from) {
		return letterID{}, usage("%q is no dead letter's id: they look like refused:12", text).try("doorward dlq ls shows them")
	}
	return letterID{from, seq}, nil
}

func (a *app) dlqShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter: why, what is known of it, and what to do",
		Example: "  doorward dlq show refused:12",
		Args:    takes("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := a.patient(c.Context())
			defer cancel()
			d, err := client.DeadLetter(ctx, id.from, id.seq)
			if err != nil {
				return err
			}
			if err := emit[any](a, d, nil, func(g *grid) { detailRows(g, d) }); err != nil {
				return err
			}
			return a.showContent(d)
		},
	}
}

func detailRows(g *grid, d api.DeadLetterDetail) {
	row := func(name, value string) {
		if value != "" && value != "0" {
			g.row(name, value)
		}
	}
	row("id", d.ID)
	row("reason", d.Reason)
	row("detail", d.Detail)
	row("fix", d.Fix)
	row("source", d.Source)
	row("target", d.Target)
	row("stage", d.Stage)
	row("type", d.Type)
	row("attempts", strconv.Itoa(d.Attempts))
	row("at", d.At.UTC().Format(time.RFC3339Nano))
	if !d.Received.IsZero() {
		row("received", d.Received.UTC().Format(time.RFC3339Nano))
	}
	row("delivery", d.Delivery)
	row("peer", d.Peer)
	row("digest", d.Digest)
	row("raw sequence", strconv.FormatUint(d.Lineage.Raw, 10))
	row("event sequence", strconv.FormatUint(d.Lineage.Event, 10))
	row("repeats event", strconv.FormatUint(d.Lineage.Original, 10))
	row("replay of", d.Lineage.ReplayOf)
	for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
		row("event."+name, d.Attributes[name])
	}
}

// showContent shows the redacted request or the event's data, each line behind a bar so
// that none can pass for one of ours.
func (a *app) showContent(d api.DeadLetterDetail) error {
	text := d.View
	if text == "" {
		text = string(d.Data)
	}
	if text == "" || a.output != "" && a.output != formatTable {
		return nil
	}
	for line := range strings.Lines(text) {
		if _, err := io.WriteString(a.Stdout, "| "+printable(strings.TrimRight(line, "\r\n"))+"\n"); err != nil {
			return err
		}
	}
	return nil
}
