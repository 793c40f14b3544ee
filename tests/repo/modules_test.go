package repo_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goMod is what go.mod says.
type goMod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path, Version string }
	}
	Toolchain string
}

// modules are the go.mod files of the workspace, by folder.
func modules(t *testing.T) map[string]goMod {
	t.Helper()
	var work struct {
		Go  string
		Use []struct{ DiskPath string }
	}
	if err := json.Unmarshal(goTool(t, ".", "work", "edit", "-json", "go.work"), &work); err != nil {
		t.Fatal(err)
	}
	out := map[string]goMod{}
	for _, u := range work.Use {
		dir := filepath.ToSlash(filepath.Clean(u.DiskPath))
		var m goMod
		if err := json.Unmarshal(goTool(t, dir, "mod", "edit", "-json"), &m); err != nil {
			t.Fatal(err)
		}
		if m.Go != work.Go {
			t.Errorf("%s/go.mod says go %s, go.work %s", dir, m.Go, work.Go)
		}
		out[dir] = m
	}
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, slices.Sorted(maps.Keys(allowedFolders))) {
		t.Errorf("go.work uses %q", got)
	}
	return out
}

// TestVersionsAreEqual: in the workspace the highest version of all wins, so a module with a
// lower one is tested with what it is not built with. "go work sync" makes them equal.
func TestVersionsAreEqual(t *testing.T) {
	seen, first := map[string]string{}, map[string]string{}
	all := modules(t)
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		for _, r := range all[dir].Require {
			if seen[r.Path] == "" {
				seen[r.Path], first[r.Path] = r.Version, dir
			}
			if seen[r.Path] != r.Version {
				t.Errorf("%s is %s in %s and %s in %s", r.Path, seen[r.Path], first[r.Path], r.Version, dir)
			}
		}
	}
	for _, path := range []string{"github.com/nats-io/nats.go", "github.com/rs/zerolog"} {
		if seen[path] == "" {
			t.Errorf("%s is required by nobody: does this test still see anything?", path)
		}
	}
}

// TestReplacesAreTheClosure: replaces aren't transitive, so each module lists every one of
// ours that it reaches, and no other: it must build alone, with GOWORK=off.
func TestReplacesAreTheClosure(t *testing.T) {
	all := modules(t)
	for dir, m := range all {
		if m.Module.Path != module+dir {
			t.Errorf("%s/go.mod is of module %s", dir, m.Module.Path)
		}
		want := map[string]bool{}
		reach(all, dir, want)
		for _, r := range m.Replace {
			name, ours := strings.CutPrefix(r.Old.Path, module)
			if !ours || !want[name] || r.New.Path != "../"+name {
				t.Errorf("%s/go.mod replaces %s by %s", dir, r.Old.Path, r.New.Path)
			}
			delete(want, name)
		}
		for name := range want {
			t.Errorf("%s/go.mod does not replace %s", dir, name)
		}
		for _, r := range m.Require {
			if strings.HasPrefix(r.Path, module) && r.Version != "v0.0.0" {
				t.Errorf("%s/go.mod requires %s %s", dir, r.Path, r.Version)
			}
		}
	}
}

func reach(all map[string]goMod, dir string, into map[string]bool) {
	for _, r := range all[dir].Require {
		if name, ours := strings.CutPrefix(r.Path, module); ours && !into[name] {
			into[name] = true
			reach(all, name, into)
		}
	}
}

// TestLicense: without one nobody may use this.
func TestLicense(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil || len(text) < 1000 {
		t.Errorf("LICENSE: %d bytes, %v", len(text), err)
	}
}

// textual are the endings of what people read.
var textual = []string{".go", ".md", ".mod", ".work", ".yaml", ".yml", ".txtar", ".txt", ".sh", ".service", ".conf", ".json", ".html", ".js", ".css", ".tmpl", ".jsonl"}

// TestTextsNameNoMachine: a path of whoever wrote something helps nobody else.
func TestTextsNameNoMachine(t *testing.T) {
	marks := []string{"/" + "work/", "/" + "root/", "/" + "home/", "/" + "Users/", "TO" + "DO", "FIX" + "ME", "XX" + "X:"}
	n := 0
	err := walk(func(path string) error {
		base := filepath.Base(path)
		if !slices.Contains(textual, filepath.Ext(path)) && base != "Makefile" && base != "LICENSE" && base != "Dockerfile" && path != ".ci/run" {
			return nil
		}
		n++
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, mark := range marks {
				if strings.Contains(line, mark) && !strings.Contains(line, "://") {
					t.Errorf("%s:%d: %q: %s", path, i+1, mark, strings.TrimSpace(line))
				}
			}
		}
		return nil
	})
	if err != nil || n < 150 {
		t.Errorf("%d texts were read, %v", n, err)
	}
}
