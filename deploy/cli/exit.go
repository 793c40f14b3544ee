package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
)

// Exit codes, stable. Only ExitUnreachable promises that trying again may help.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitConfig      = 3
	ExitNotFound    = 4
	ExitUnreachable = 5
	ExitPartly      = 6
	ExitUnconfirmed = 7
	ExitDenied      = 8
	ExitInterrupted = 130
)

// codes are the exit codes' names in JSON errors, and what they mean.
var codes = []struct {
	exit          int
	name, meaning string
}{
	{ExitDone, "done", "done"},
	{ExitFailed, "failed", "failed: refused, not verified, unbalanced, not delivered"},
	{ExitUsage, "usage", "wrong usage: trying again does not help"},
	{ExitConfig, "configuration", "the configuration is missing or invalid"},
	{ExitNotFound, "not_found", "not found, or nothing matched"},
	{ExitUnreachable, "unreachable", "unreachable or timed out: trying again is safe"},
	{ExitPartly, "partly_done", "partly done: some replays failed, or the books can't prove all"},
	{ExitUnconfirmed, "needs_confirmation", "needs confirmation: no terminal to ask on, or the answer was no; add --yes"},
	{ExitDenied, "not_permitted", "not permitted: the token, or a file's mode"},
	{ExitInterrupted, "interrupted", "interrupted"},
}

// failure is an error with its exit code and the next step for whoever reads it.
type failure struct {
	exit    int
	message string
	fix     string
	cause   error
}

func (f *failure) Error() string { return f.message }

func (f *failure) Unwrap() error { return f.cause }

// try sets the next step.
func (f *failure) try(fix string) *failure {
	f.fix = fix
	return f
}

func (f *failure) because(err error) *failure {
	f.cause = err
	return f
}

func fail(exit int, format string, args ...any) *failure {
	return &failure{exit: exit, message: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) *failure { return fail(ExitUsage, format, args...) }

// classify finds the exit code of any error.
func classify(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f := configFailure(err); f != nil {
		return f
	}
	f := fail(ExitFailed, "%v", err).because(err)
	if p, ok := errors.AsType[*api.Problem](err); ok {
		f.exit, f.fix = exitOf(p.Status), p.Fix
		if p.Status == http.StatusUnauthorized {
			f.fix = "give the API's token in $DOORWARD_TOKEN, or the configuration that the server runs with in --config"
		}
		return f
	}
	switch {
	case errors.Is(err, context.Canceled):
		f.exit, f.message = ExitInterrupted, "interrupted"
	case errors.Is(err, api.ErrUnreachable):
		f.exit, f.fix = ExitUnreachable, "is `doorward serve` running? --admin says where its API is"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoServers):
		f.exit = ExitUnreachable
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, fs.ErrPermission):
		f.exit = ExitDenied
	case errors.Is(err, embedded.ErrInUse):
		f.fix = "stop the other one, or give this one a nats.embedded.store of its own"
	}
	return f
}

func exitOf(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return ExitUsage
	case http.StatusUnauthorized, http.StatusForbidden:
		return ExitDenied
	case http.StatusNotFound:
		return ExitNotFound
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return ExitUnreachable
	}
	return ExitFailed
}

// configFailure says every mistake of a configuration, or is nil for another error.
func configFailure(err error) *failure {
	_, one := errors.AsType[config.Problem](err)
	if _, many := errors.AsType[config.Errors](err); !one && !many {
		return nil
	}
	list := config.Collect(err)
	return fail(ExitConfig, "%v", list).because(list)
}

// wantsJSON looks for the format in a command line that may not have been understood.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		value, given := strings.CutPrefix(arg, "--output=")
		if short, ok := strings.CutPrefix(arg, "-o"); ok && short != "" {
			value, given = strings.TrimPrefix(short, "="), true
		}
		if (arg == "-o" || arg == "--output") && i+1 < len(args) {
			value, given = args[i+1], true
		}
		if given {
			return value == formatJSON || value == formatJSONL
		}
	}
	return false
}

// told is an error as JSON.
type told struct {
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Fix      string    `json:"fix,omitempty"`
	Problems []mistake `json:"problems,omitempty"`
}

// mistake is one place in a configuration.
type mistake struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// report tells the error on stderr.
func (a *app) report(f *failure, asJSON bool) {
	list, _ := errors.AsType[config.Errors](f.cause)
	if asJSON {
		a.reportJSON(f, list)
		return
	}
	if list != nil {
		_, _ = fmt.Fprintf(a.Stderr, "%s\n%s. nothing was changed.\n", printableLines(f.message), counted(len(list), "error"))
		return
	}
	_, _ = fmt.Fprintf(a.Stderr, "error: %s\n", printableLines(f.message))
	if f.fix != "" {
		_, _ = fmt.Fprintf(a.Stderr, "help: %s\n", printable(f.fix))
	}
}

func (a *app) reportJSON(f *failure, list config.Errors) {
	out := told{Code: codeOf(f.exit), Message: f.message, Fix: f.fix}
	for _, p := range list {
		out.Problems = append(out.Problems, mistake{p.File, p.Line, p.Column, p.Path, p.Message, p.Hint})
	}
	text, err := json.Marshal(map[string]told{"error": out})
	if err == nil {
		_, _ = fmt.Fprintf(a.Stderr, "%s\n", escapedJSON(text))
	}
}

func codeOf(exit int) string {
	for _, c := range codes {
		if c.exit == exit {
			return c.name
		}
	}
	return "failed"
}

// exitCodes is the help topic `doorward help exit-codes`.
func exitCodes() *cobra.Command {
	var text strings.Builder
	text.WriteString("Exit codes, the same for every verb:\n\n")
	for _, c := range codes {
		fmt.Fprintf(&text, "  %3d  %s\n", c.exit, c.meaning)
	}
	text.WriteString("\nWith -o json an error is {\"error\":{\"code\",\"message\",\"fix\"}} on stderr.")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: text.String()}
}
