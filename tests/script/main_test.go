// Package script tells what people do with Doorward as stories that can be read as a
// manual, and plays each twice: in this process's own program, which the race detector and
// the coverage see, and on the binaries as they ship.
//
// Every story has addresses of its own in $INGRESS, $ADMIN, $NATS, $HOOK, $MONITOR,
// $OUTER, $GUARD and $INNER; they and $CREDENTIALS are filled in where its .yaml and .conf files name
// them. Beside the commands of testscript there are those in the files of this package.
package script

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/cli"
	"github.com/doorward/doorward/tests/harness"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"doorward": func() { os.Exit(doorward()) }})
}

// doorward is the program as its main makes it.
func doorward() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return cli.Main(ctx, os.Args[1:], cli.Deps{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Getenv, Now: time.Now, Reload: hangup, Version: "test",
	})
}

func TestStories(t *testing.T) {
	bin := build(t, harness.NATSServerPackage)
	play(t, bin, "stories")
}

// TestStoriesOnBinaries also plays those that need a program at its full speed.
func TestStoriesOnBinaries(t *testing.T) {
	bin := build(t, harness.NATSServerPackage, harness.DoorwardPackage)
	play(t, bin, "stories", "binaries")
}

// build compiles programs into a directory of their own.
func build(t *testing.T, packages ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := harness.Build(dir, packages...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// play runs the stories of some directories; what is in bin is found first.
func play(t *testing.T, bin string, dirs ...string) {
	var stories []string
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no stories in %s: %v", dir, err)
		}
		stories = append(stories, found...)
	}
	testscript.Run(t, testscript.Params{
		Files:               stories,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(3 * time.Minute),
		Setup:               func(env *testscript.Env) error { return setup(env, bin) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "ready": ready, "terminate": terminate, "crash": crash, "hangup": hangup,
			"waitfor": waitfor, "pass": pass, "edit": edit,
			"post": post, "flood": flood, "flooded": flooded, "inorder": inorder,
			"subscribe": subscribe, "seen": seen, "hook": hook, "hooked": hooked,
		},
	})
}

// story is what a story's commands share.
type story struct {
	t         testing.TB
	processes map[string]*harness.Process
	floods    map[string]*flow
	views     map[string]*view
	hooks     map[string]*endpoint
}

type storyKey struct{}

func of(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

func setup(env *testscript.Env, bin string) error {
	t := env.T().(testing.TB)
	env.Values[storyKey{}] = &story{t, map[string]*harness.Process{}, map[string]*flow{}, map[string]*view{}, map[string]*endpoint{}}
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	filled := map[string]string{}
	for _, name := range []string{"INGRESS", "ADMIN", "NATS", "HOOK", "MONITOR", "OUTER", "GUARD", "INNER"} {
		filled[name] = harness.Address(t)
		env.Setenv(name, filled[name])
		filled[name+"_PORT"] = filled[name][strings.LastIndexByte(filled[name], ':')+1:]
	}
	filled["CREDENTIALS"] = harness.Credentials(t, filepath.Join(env.WorkDir, "keys"))
	return fill(env.WorkDir, filled)
}

// fill puts a story's addresses into its configurations, and closes its secrets to others.
func fill(dir string, values map[string]string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(filepath.Dir(path)) == "secrets" {
			return os.Chmod(path, 0o600) // an archive knows no modes
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".conf" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var pairs []string
		for name, value := range values {
			pairs = append(pairs, "${"+name+"}", value)
		}
		return os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600)
	})
}

// flags parses what follows a command's fixed arguments.
func flags(ts *testscript.TestScript, args []string, declare func(*flag.FlagSet)) {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(ts.Stderr())
	declare(f)
	ts.Check(f.Parse(args))
	if f.NArg() > 0 {
		ts.Fatalf("unexpected argument %q", f.Arg(0))
	}
}
