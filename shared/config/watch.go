package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long after the first sign of a change the file is read: editors and
// Kubernetes write in several steps.
const settle = 100 * time.Millisecond

// Watch calls onChange with what the file at c.Path, its origin, holds from now on: at each change of
// its content, and at each signal on reload (SIGHUP, say) even without one, since the secrets that it
// refers to may have changed. On a mistake err is Errors or that of reading the file, and
// the caller keeps what it has. onChange is called from Watch itself, one call at a time.
//
// Watch returns nil when ctx ends, and an error when the directory can't be watched. It watches
// the directory, not the file: editors replace files, Kubernetes swaps a symbolic link beside them.
func (c *Config) Watch(ctx context.Context, reload <-chan os.Signal, onChange func(*Config, error)) error {
	if c.Path == "" || c.origin == nil {
		return errors.New("watch the configuration: it was not loaded from a file")
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(c.Path)); err != nil {
		return fmt.Errorf("watch the configuration's directory: %w", err)
	}
	f := follower{path: c.Path, options: c.origin.options, projected: c.origin.projected, seen: c.origin.digest, onChange: onChange}
	f.read(false) // what changed since c was loaded raised no event
	return f.run(ctx, watcher, reload)
}

// follower knows which content was last reported.
type follower struct {
	path      string
	options   Options
	projected bool
	seen      [sha256.Size]byte
	lost      bool
	onChange  func(*Config, error)
}

func (f *follower) run(ctx context.Context, watcher *fsnotify.Watcher, reload <-chan os.Signal) error {
	// Set at the first event and left alone by later ones: a file that never rests is read all the same.
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-reload:
			if !ok {
				reload = nil
				continue
			}
			f.read(true)
		case <-due:
			due = nil
			f.read(false)
		case _, ok := <-watcher.Events:
			if !ok {
				return errors.New("watch the configuration: the watcher closed")
			}
			if due == nil {
				due = time.After(settle)
			}
		case <-watcher.Errors:
			// An overflow: events are missing, so look.
			f.read(false)
		}
	}
}

// read reports the file if its content is new, or in any case if asked to.
func (f *follower) read(always bool) {
	data, err := readFile(f.path)
	if err != nil {
		if !f.lost || always {
			f.onChange(nil, fmt.Errorf("read the configuration: %w", err))
		}
		f.lost = true
		return
	}
	digest := sha256.Sum256(data)
	if digest == f.seen && !f.lost && !always {
		return
	}
	f.seen, f.lost = digest, false
	c, err := loaded(f.path, data, f.options, f.projected)
	f.onChange(c, err)
}
