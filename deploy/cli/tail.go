package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/spf13/cobra"
)

// tailing is what tail was told.
type tailing struct {
	source, eventType string
	since             int64
	count             int
	raw               bool
}

func (a *app) tail() *cobra.Command {
	var o tailing
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show verified events as they are stored",
		Long: `Show verified events as they are stored, one a line, until interrupted or -n were seen. After a lost
connection it goes on behind the last event it has shown.

With -o json or jsonl each line is the CloudEvent whole; --raw shows its data alone, byte for byte unless
stdout is a terminal.`,
		Example: "  doorward tail --source github --type 'com.github.push.*'\n  doorward tail --since-seq 1 -n 10 -o jsonl",
		Args:    takes(),
		RunE:    func(c *cobra.Command, _ []string) error { return a.runTail(c.Context(), &o) },
	}
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "only events of this `source`")
	f.StringVar(&o.eventType, "type", "", "only events of this `type`; a trailing .* matches what follows")
	f.Int64Var(&o.since, "since-seq", 0, "begin with the stored events from this `sequence` on (else with new ones)")
	f.IntVarP(&o.count, "count", "n", 0, "end after so many `events`")
	f.BoolVar(&o.raw, "raw", false, "show the data of each event and nothing else")
	return c
}

// maxOutage is how long a lost connection is tried again before tail gives up.
const maxOutage = 30 * time.Second

func (a *app) runTail(ctx context.Context, o *tailing) error {
	if _, err := a.format(); err != nil {
		return err
	}
	if o.since < 0 {
		return usage("--since-seq %d: sequences begin at 1", o.since)
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	began, seen := time.Now(), 0
	after := o.since - 1 // the API begins behind the sequence it is given; without one, that is NewOnly
	var lost time.Time
	for {
		err := a.tailOnce(ctx, client, o, &after, &seen)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			a.note("%s in %s", counted(seen, "event"), time.Since(began).Round(time.Second))
			return nil
		case !errors.Is(err, errBroken):
			if lost.IsZero() || !errors.Is(err, api.ErrUnreachable) || time.Since(lost) > maxOutage {
				return err
			}
		default:
			lost = time.Now()
			a.note("connection lost after sequence %d, connecting again", after)
		}
		_ = pause(ctx, time.Second)
	}
}

// errBroken: a stream that was open has ended.
var errBroken = errors.New("stream ended")

// tailOnce shows one stream's events; nil means that enough were seen.
func (a *app) tailOnce(ctx context.Context, client *api.Client, o *tailing, after *int64, seen *int) error {
	stream, err := client.Events(ctx, *after, o.source, o.eventType)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for o.count == 0 || *seen < o.count {
		m, err := stream.Next()
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		if err := a.showEvent(m, o.raw); err != nil {
			return err
		}
		if seq, err := strconv.ParseInt(m.ID, 10, 64); err == nil {
			*after = seq
		}
		*seen++
	}
	return nil
}

// occurrence is what tail shows of a CloudEvent (JSON event format 1.0).
type occurrence struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject"`
	Source   string          `json:"dwsource"`
	Delivery string          `json:"dwdelivery"`
	Received time.Time       `json:"recordedtime"`
	ReplayOf string          `json:"dwreplayof"`
	Data     json.RawMessage `json:"data"`
	Base64   *string         `json:"data_base64"`
}

func (a *app) showEvent(m api.Message, raw bool) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	if !raw && format != formatTable {
		if format == formatYAML {
			_, _ = fmt.Fprintln(a.Stdout, "---")
		} else {
			format = formatJSONL
		}
		return writeAs(a.Stdout, format, json.RawMessage(m.Data))
	}
	var e occurrence
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return fail(ExitFailed, "read event %s: %v", m.ID, err).because(err)
	}
	if raw {
		return a.showData(e)
	}
	_, err = fmt.Fprintln(a.Stdout, printable(eventLine(e, m.ID)))
	return err
}

func eventLine(e occurrence, seq string) string {
	line := fmt.Sprintf("%s  %-12s %-36s %-32s %-20s seq %s", e.Received.Local().Format("15:04:05.000"), e.Source, e.Type, e.ID, e.Subject, seq)
	if e.ReplayOf != "" {
		line += "  replay of " + e.ReplayOf
	}
	return line
}

func (a *app) showData(e occurrence) error {
	data := []byte(e.Data)
	if e.Base64 != nil {
		var err error
		if data, err = base64.StdEncoding.DecodeString(*e.Base64); err != nil {
			return fail(ExitFailed, "read the data of event %s: %v", e.ID, err).because(err)
		}
	}
	if a.Terminal {
		data = []byte(printableLines(string(data)))
	}
	_, err := a.Stdout.Write(append(data, '\n'))
	return err
}
