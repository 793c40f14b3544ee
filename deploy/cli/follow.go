package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

// glance is how long one question about a delivery may wait for its end; steps that come
// meanwhile are shown after it.
const glance = 500 * time.Millisecond

// breath is the least time between two questions.
const breath = 20 * time.Millisecond

// follow shows a delivery's steps as they come, until nothing more will happen.
func (a *app) follow(ctx context.Context, client *api.Client, id string) (api.Delivery, error) {
	ctx, cancel := a.patient(ctx)
	defer cancel()
	shown := map[api.Step]bool{}
	var last api.Delivery
	for {
		d, err := client.Delivery(ctx, id, glance)
		if err == nil {
			last = d
			a.showSteps(d, shown)
			if d.Final {
				return d, judge(d)
			}
			err = pause(ctx, breath)
		}
		if err != nil {
			return last, stillOpen(last, id, err)
		}
	}
}

func (a *app) showSteps(d api.Delivery, shown map[api.Step]bool) {
	for _, s := range d.Steps {
		// The same step may be dated anew when it is read from its stream.
		key := api.Step{Door: s.Door, What: s.What, Subject: s.Subject}
		if shown[key] {
			continue
		}
		shown[key] = true
		if a.output == "" || a.output == formatTable {
			_, _ = fmt.Fprintln(a.Stdout, a.stepLine(s))
		}
	}
}

func (a *app) stepLine(s api.Step) string {
	color := red
	switch s.What {
	case "stored", "verified", "delivered", "passed", "replayed":
		color = green
	}
	what := a.paint(color, printable(fmt.Sprintf("%-11s", s.What)))
	return fmt.Sprintf("  %-11s %s %s %s", printable(s.Door), what, printable(fmt.Sprintf("%-64s", about(s))), printable(fmt.Sprintf("+%.1fms", s.AfterMillis)))
}

// about is the rest of a step: where it is kept, or why it went no further.
func about(s api.Step) string {
	parts := []string{}
	if s.Reason != "" {
		parts = append(parts, why(s))
		if s.Door == "dispatcher" {
			parts = append([]string{s.Subject}, parts...)
		}
		return strings.Join(parts, "  ")
	}
	for _, text := range []string{s.Subject, s.Detail} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if s.Seq > 0 {
		parts = append(parts, fmt.Sprintf("seq %d", s.Seq))
	}
	return strings.Join(parts, " ")
}

// why is the reason, unless it only repeats what happened, and the detail.
func why(s api.Step) string {
	switch {
	case s.Detail == "":
		return s.Reason
	case s.Reason == s.What:
		return s.Detail
	}
	return s.Reason + ": " + s.Detail
}

// judge is why a delivery at its end is no success, or nil.
func judge(d api.Delivery) error {
	verified := false
	for _, s := range d.Steps {
		verified = verified || s.What == "verified"
		if s.Reason != "" {
			return fail(ExitFailed, "%s ended as %s: %s", d.ID, s.What, why(s)).try(s.Fix)
		}
	}
	if verified && d.OK {
		return nil
	}
	return fail(ExitFailed, "%s was not verified", d.ID)
}

// stillOpen says how far a delivery came before the patience ended.
func stillOpen(d api.Delivery, id string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if len(d.Steps) == 0 {
		return fail(ExitUnreachable, "nothing is known of %s yet", id).because(err).try("wait longer with --timeout; the request was stored all the same")
	}
	s := d.Steps[len(d.Steps)-1]
	return fail(ExitUnreachable, "%s is still under way: %s by the %s", id, s.What, s.Door).because(err).try("wait longer with --timeout; `doorward stats` shows what waits")
}
