// Package cli is the command line of Doorward: one file a verb, over the operators' HTTP
// API and the configuration file.
//
// It promises that stdout carries data and nothing else, that the exit code tells the
// truth (see `doorward help exit-codes`), that nothing is ever asked where nobody can
// answer, and that no text that came from outside can steer a terminal.
package cli

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Deps is all that the command line takes from its surroundings.
type Deps struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Env looks up an environment variable, "" when it is not set. References to secrets are
	// resolved by the configuration, in the process's own environment.
	Env func(name string) string
	// Now is the time that signatures carry.
	Now func() time.Time
	// Interactive says that somebody sits at Stdin and Stderr and can be asked.
	Interactive bool
	// Terminal says that Stdout is a terminal.
	Terminal bool
	// Reload makes serve read its configuration again.
	Reload <-chan os.Signal
	// Version is the program's.
	Version string
}

// app is one invocation: what it was given and its global flags.
type app struct {
	Deps
	config, admin, output, color string
	quiet, verbose, yes, noInput bool
	timeout                      time.Duration
}

// Main runs one command line, without the program's name, and returns its exit code.
func Main(ctx context.Context, args []string, d Deps) int {
	a := &app{Deps: d}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean the process's own
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	f := classify(err)
	a.report(f, wantsJSON(args))
	return f.exit
}

// New is the tree of commands, for documentation; Main runs it.
func New(d Deps) *cobra.Command { return (&app{Deps: d}).root() }

func (a *app) root() *cobra.Command {
	root := group("doorward", "The guarded door through which workers and services wake paused agents",
		a.serve(), a.send(), a.sign(), a.tail(), a.dlq(), a.books(), a.stats(), a.configVerbs(), a.natsVerbs(),
		a.version(), completion(), exitCodes())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(help())
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%s: %v", c.CommandPath(), err).because(err)
	})
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
			return usage("--color %q: there are auto, always, never", a.color)
		}
		return nil
	}
	a.globalFlags(root)
	return root
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", "", "configuration `file` (else $DOORWARD_CONFIG, ./doorward.yaml, ./.doorward/doorward.yaml)")
	f.StringVar(&a.admin, "admin", "", "`URL` of the operators' API (else $DOORWARD_ADMIN, admin.listen); its token: $DOORWARD_TOKEN, admin.token")
	f.StringVarP(&a.output, "output", "o", "", "`format`: table, json, jsonl or yaml (sign: headers, curl or json)")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no notes on stderr, only errors")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "tell on stderr each request that is made")
	f.BoolVarP(&a.yes, "yes", "y", false, "do it without asking")
	f.BoolVar(&a.noInput, "no-input", false, "never ask")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "how long to wait for an answer, or for the end of what is followed")
	f.StringVar(&a.color, "color", "auto", "auto, always or never ($NO_COLOR means never)")
}

// group is a command that only holds others: unlike cobra's own it fails on one that it
// does not have, and without one.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s needs a verb: %s", c.CommandPath(), strings.Join(verbs(c), ", ")).try(c.CommandPath() + " --help")
		}
		f := usage("%s has no verb %q", c.CommandPath(), args[0]).try(c.CommandPath() + " --help")
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			f.fix = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return f
	}
	c.AddCommand(children...)
	return c
}

func verbs(c *cobra.Command) []string {
	var names []string
	for _, child := range c.Commands() {
		if child.Runnable() && !child.Hidden {
			names = append(names, child.Name())
		}
	}
	return names
}

// takes wants as many arguments as are named.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usage("%s takes no arguments, got %q", c.CommandPath(), args[0])
		}
		return usage("%s takes %s, got %d arguments", c.CommandPath(), strings.Join(names, " "), len(args)).try(c.CommandPath() + " --help")
	}
}

// takesOneOf wants at most one argument, out of a closed set.
func takesOneOf(what string, set ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) == 1 && slices.Contains(set, args[0]) {
			return nil
		}
		if len(args) > 1 {
			return usage("%s takes at most one %s", c.CommandPath(), what)
		}
		return usage("%s: no %s %q: there are %s", c.CommandPath(), what, args[0], strings.Join(set, ", "))
	}
}
