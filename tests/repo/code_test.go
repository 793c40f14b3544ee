package repo_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestPackagesSayWhatTheyAre: a reader learns from one paragraph what a package promises.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	said := map[string]bool{}
	for _, s := range goFiles(t) {
		if strings.HasSuffix(s.file.Name.Name, "_test") || strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command "
		}
		if doc := s.file.Doc.Text(); doc != "" && !strings.HasPrefix(doc, want) {
			t.Errorf("%s: the package's text begins %q, want %q", s.path, doc[:min(len(doc), 30)], want)
		}
		said[s.dir] = said[s.dir] || s.file.Doc.Text() != ""
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s: no file says what the package is and promises", dir)
		}
	}
}

// TestExportedNamesAreExplained: an exported name is a promise to the other modules.
func TestExportedNamesAreExplained(t *testing.T) {
	for _, s := range goFiles(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc.Text() == "" && !wellKnown(d) {
					t.Errorf("%s: %s has no comment", s.line(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if typ, ok := spec.(*ast.TypeSpec); ok && typ.Name.IsExported() && d.Doc.Text()+typ.Doc.Text() == "" {
						t.Errorf("%s: %s has no comment", s.line(d), typ.Name.Name)
					}
				}
			}
		}
	}
}

// wellKnown are methods that an interface of the standard library explains.
func wellKnown(f *ast.FuncDecl) bool {
	return f.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "String", "Write", "Read", "Close", "ServeHTTP", "RoundTrip", "Len", "Less", "Swap"}, f.Name.Name)
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	name := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return ast.IsExported(name)
}

// TestNoInit: what a program does begins in main; importing a package does nothing.
func TestNoInit(t *testing.T) {
	for _, s := range goFiles(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function", s.line(f))
			}
		}
		for _, spec := range s.file.Imports {
			if spec.Name != nil && spec.Name.Name == "_" && strings.Trim(spec.Path.Value, `"`) != "embed" {
				t.Errorf("%s: %s is imported for its effects", s.line(spec), spec.Path.Value)
			}
		}
	}
}

// words are names that code may not use, each with its reason.
var words = []struct {
	name   string
	tests  bool // tests neither
	reason string
}{
	{"RawJSON", false, "it writes bytes from outside into a log line as they are"},
	{"ConsoleWriter", false, "logs are JSON; it also writes terminal escapes from outside as they are"},
	{"Skip", true, "a test that is skipped proves nothing, and nobody sees it"},
	{"Skipf", true, "a test that is skipped proves nothing, and nobody sees it"},
	{"SkipNow", true, "a test that is skipped proves nothing, and nobody sees it"},
	{"Short", true, "there is one set of tests, and it is always run whole"},
	{"InsecureSkipVerify", false, "a certificate that is not verified proves nothing"},
	{"Fatalln", false, "main returns an exit code; nothing else ends the process"},
}

func TestForbiddenNames(t *testing.T) {
	for _, s := range goFiles(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			for _, w := range words {
				if sel.Sel.Name == w.name && (w.tests || !s.test) && calledOn(sel, w.tests) {
					t.Errorf("%s: %s: %s", s.line(sel), w.name, w.reason)
				}
			}
			return true
		})
	}
}

// calledOn narrows names of package testing to what tests call them on.
func calledOn(sel *ast.SelectorExpr, only bool) bool {
	id, ok := sel.X.(*ast.Ident)
	return !only || ok && slices.Contains([]string{"t", "b", "f", "tb", "testing"}, id.Name)
}

// TestOnlyTheBusSpellsSubjects: one table declares what lives on NATS; a subject written
// elsewhere would be outside of its permissions, and wrong under another prefix. The
// configuration names some, to refuse them in targets.
func TestOnlyTheBusSpellsSubjects(t *testing.T) {
	for _, s := range goFiles(t) {
		if s.test || s.under("shared/bus", "shared/config") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || len(lit.Value) < 2 {
				return true
			}
			text := lit.Value[1:]
			for _, p := range []string{"dw.raw", "dw.in.", "dw.verified", "dw.refused", "dw.quarantine", "dw.dead", "dw.replay", "dw.audit", "dw.live", "dw.js", "DW_", "Dw-", "$JS.", "_INBOX"} {
				if strings.HasPrefix(text, p) {
					t.Errorf("%s: %s", s.line(lit), lit.Value)
				}
			}
			return true
		})
	}
}

// Sizes above which a reader loses the thread. Tables of tests may be longer.
const (
	maxFile     = 450
	maxFunction = 70
)

func TestSizes(t *testing.T) {
	for _, s := range goFiles(t) {
		tokens := s.set.File(s.file.Pos())
		if n := tokens.LineCount(); n > maxFile {
			t.Errorf("%s has %d lines, want at most %d", s.path, n, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, want at most %d", s.line(f), f.Name.Name, n, maxFunction)
			}
		}
	}
}
