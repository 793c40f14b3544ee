// Package repo_test holds the rules of this repository. Each is a test that names its reason,
// so that whoever breaks one learns why it stands, and can change it in the open.
package repo_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the path under which all modules lie.
const module = "github.com/doorward/doorward/"

// root is the repository, seen from here.
const root = "../.."

// source is one parsed Go file.
type source struct {
	path string // from the root, with slashes
	dir  string
	test bool // not part of any program
	set  *token.FileSet
	file *ast.File
}

// line is where a node stands.
func (s *source) line(n ast.Node) string {
	p := s.set.Position(n.Pos())
	return s.path + ":" + itoa(p.Line)
}

func itoa(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

// imports are the paths that the file imports.
func (s *source) imports() []string {
	out := make([]string, len(s.file.Imports))
	for i, spec := range s.file.Imports {
		out[i] = strings.Trim(spec.Path.Value, `"`)
	}
	return out
}

// under says whether the file lies in one of the folders.
func (s *source) under(folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return s.dir == f || strings.HasPrefix(s.dir, f+"/") })
}

// sources parses every Go file of the repository once.
var sources = sync.OnceValues(func() ([]*source, error) {
	var out []*source
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		s := &source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), set: token.NewFileSet()}
		s.test = strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "tests/")
		var err error
		s.file, err = parser.ParseFile(s.set, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
		out = append(out, s)
		return err
	})
	return out, err
})

func goFiles(t *testing.T) []*source {
	t.Helper()
	out, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 100 {
		t.Fatalf("only %d Go files were found", len(out))
	}
	return out
}

// walk visits every file but those of version control and of what programs leave.
func walk(visit func(path string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name == ".git" || name == ".doorward" || name == "node_modules" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(rel))
	})
}

// goTool runs the go command in a module, by itself and not in the workspace.
func goTool(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "GOPROXY=off")
	out, err := cmd.Output()
	if err != nil {
		text := ""
		if exit, ok := err.(*exec.ExitError); ok {
			text = string(exit.Stderr)
		}
		t.Fatalf("go %s in %s: %v\n%s", strings.Join(args, " "), dir, err, text)
	}
	return out
}

// closure is every package outside the standard library that a package is built from.
func closure(t *testing.T, dir, pkg string) []string {
	t.Helper()
	return strings.Fields(string(goTool(t, dir, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)))
}

// within says whether an import path is one of the prefixes or lies below it.
func within(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}
