// Command doorward is the whole of Doorward in one program: every door, and the command
// line to operate them.
//
// It promises to stop in order at SIGINT and SIGTERM, and at once at a second one.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/doorward/doorward/deploy/cli"
	"github.com/mattn/go-isatty"
)

// version is set when a release is linked: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal kills
	hangup := make(chan os.Signal, 1)
	if slices.Contains(os.Args[1:], "serve") { // for the other verbs it is the terminal's end
		signal.Notify(hangup, syscall.SIGHUP)
	}
	return cli.Main(ctx, os.Args[1:], cli.Deps{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: os.Getenv, Now: time.Now,
		Interactive: terminal(os.Stdin) && terminal(os.Stderr), Terminal: terminal(os.Stdout),
		Reload: hangup, Version: version,
	})
}

func terminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }
