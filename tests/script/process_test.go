package script

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/tests/harness"
	"github.com/rogpeppe/go-internal/testscript"
)

// start NAME READY-URL PROGRAM [ARG...] starts a program in the background and waits until
// the URL answers 200. Its log is NAME.log.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME READY-URL PROGRAM [ARG...]")
	}
	s := of(ts)
	if p := s.processes[args[0]]; p != nil && !p.Ended() {
		ts.Fatalf("%s runs already", args[0])
	}
	path := look(ts, args[2])
	p, err := harness.Start(harness.Program{
		Path: path, Args: args[3:], Dir: ts.MkAbs("."), Log: ts.MkAbs(args[0] + ".log"), Ready: args[1],
		Env: environment(ts),
	})
	ts.Check(err)
	s.processes[args[0]] = p
	ts.Defer(func() { _, _ = p.End(os.Kill) })
}

// ready URL... waits until each URL answers 200.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	for _, url := range args {
		eventually(ts, url+" answers 200", func() bool { return harness.Answers(context.Background(), url) })
	}
}

// look finds a program in the story's PATH.
func look(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	ts.Fatalf("no program %s", name)
	return ""
}

func running(ts *testscript.TestScript, args []string) *harness.Process {
	if len(args) != 1 || of(ts).processes[args[0]] == nil {
		ts.Fatalf("no program of the name %q was started", args)
	}
	return of(ts).processes[args[0]]
}

// terminate NAME ends a program with SIGTERM; its exit code must be 0.
func terminate(ts *testscript.TestScript, _ bool, args []string) {
	code, err := running(ts, args).End(syscall.SIGTERM)
	ts.Check(err)
	if code != 0 {
		ts.Fatalf("%s ended with exit code %d\n%s", args[0], code, ts.ReadFile(args[0]+".log"))
	}
}

// crash NAME ends a program with SIGKILL, which it can't answer.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	_, err := running(ts, args).End(os.Kill)
	ts.Check(err)
}

// hangup NAME sends SIGHUP: read the configuration and the secrets again.
func hangup(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(running(ts, args).Signal(syscall.SIGHUP))
}

// patience bounds what a story waits for.
const patience = 30 * time.Second

// waitfor PATTERN PROGRAM [ARG...] runs a program again and again until its stdout matches.
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor PATTERN PROGRAM [ARG...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, mistakes strings.Builder
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		out.Reset()
		mistakes.Reset()
		cmd := program(ctx, ts, args[1], args[2:]...)
		cmd.Stdout, cmd.Stderr = &out, &mistakes
		if err := cmd.Run(); err == nil && pattern.MatchString(out.String()) {
			_, _ = ts.Stdout().Write([]byte(out.String()))
			return
		}
	}
	ts.Fatalf("%q did not come up, the last output was\n%s%s", args[0], out.String(), mistakes.String())
}

// program is a command that runs in the story's directory and environment, and is killed with ctx.
func program(ctx context.Context, ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, look(ts, name), args...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
	return cmd
}

func environment(ts *testscript.TestScript) []string {
	return []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}
}

// pass DURATION lets time go by where the story is about time.
func pass(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: pass DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// edit FILE OLD NEW changes the one place of a file that says OLD, in one step as editors do.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n == 0 {
		ts.Fatalf("%s does not say %q", args[0], args[1])
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path+".new", []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
	ts.Check(os.Rename(path+".new", path))
}
