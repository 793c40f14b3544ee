package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const watched = "version: 1\ningress: { listen: \":8080\" }\n"

type change struct {
	config *Config
	err    error
}

// watch follows path until the test ends.
func watch(t *testing.T, c *Config) (changes <-chan change, reload chan<- os.Signal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	seen, signals, done := make(chan change, 16), make(chan os.Signal), make(chan error, 1)
	go func() { done <- c.Watch(ctx, signals, func(c *Config, err error) { seen <- change{c, err} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
		goleak.VerifyNone(t)
	})
	return seen, signals
}

func next(t *testing.T, changes <-chan change) change {
	t.Helper()
	select {
	case got := <-changes:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("no change was reported")
		return change{}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func loadWatched(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWatchReportsGoodAndBadChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.yaml")
	write(t, path, watched)
	c := loadWatched(t, path)
	// Changed after loading, before watching: found all the same.
	write(t, path, strings.Replace(watched, "8080", "8081", 1))
	changes, reload := watch(t, c)
	if got := next(t, changes); got.err != nil || got.config.Ingress.Listen != ":8081" {
		t.Fatalf("before the watch: got %v", got.err)
	}

	replaceFile(t, path, strings.Replace(watched, "listen", "lisen", 1))
	var all Errors
	if got := next(t, changes); !errors.As(got.err, &all) || all[0].Hint != `did you mean "listen"?` {
		t.Fatalf("a mistake: got %v", got.err)
	}
	replaceFile(t, path, watched)
	if got := next(t, changes); got.err != nil || got.config.Ingress.Listen != ":8080" || got.config.Path != path {
		t.Fatalf("mended: got %v", got.err)
	}
	reload <- syscall.SIGHUP
	if got := next(t, changes); got.err != nil {
		t.Fatalf("reload of the same content: got %v", got.err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := next(t, changes); !errors.Is(got.err, os.ErrNotExist) || got.config != nil {
		t.Fatalf("gone: got %v", got.err)
	}
}

// replaceFile swaps the file in one step, as editors do.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchFollowsKubernetesMounts(t *testing.T) {
	dir := t.TempDir()
	mount := func(version, text string) {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "doorward.yaml"), text)
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", watched)
	path := filepath.Join(dir, "doorward.yaml")
	if err := os.Symlink("..data/doorward.yaml", path); err != nil {
		t.Fatal(err)
	}
	changes, reload := watch(t, loadWatched(t, path))
	reload <- syscall.SIGHUP // answered once the watch stands
	next(t, changes)
	mount("..2", strings.Replace(watched, "8080", "8082", 1))
	if got := next(t, changes); got.err != nil || got.config.Ingress.Listen != ":8082" {
		t.Errorf("got %v, want the new content", got.err)
	}
}

func TestWatchNeedsAFile(t *testing.T) {
	c, err := Decode("memory", []byte(watched), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Watch(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "not loaded from a file") {
		t.Errorf("got %v, want a refusal", err)
	}
}
