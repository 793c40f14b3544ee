package repo_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestIngressLinksNoKeys: promise 2. What is not linked can't be made to verify, to parse a
// token or to run an expression, whatever reaches the outer door.
func TestIngressLinksNoKeys(t *testing.T) {
	deps := closure(t, "ingress", "./cmd/ingress")
	if !slices.Contains(deps, module+"shared/bus") {
		t.Fatal("the closure is not the ingress's")
	}
	for _, dep := range deps {
		if within(dep, module+"verifier", module+"dispatcher", module+"deploy", "github.com/santhosh-tekuri/jsonschema", "github.com/google/jsonschema-go",
			"github.com/expr-lang", "github.com/google/cel-go", "github.com/go-jose", "github.com/lestrrat-go", "github.com/golang-jwt", "github.com/nats-io/nats-server") {
			t.Errorf("ingress/cmd/ingress links %s", dep)
		}
	}
	if engine := closure(t, "verifier", "./cmd/verifier"); !slices.Contains(engine, module+"verifier/signature") {
		t.Error("the verifier, the twin that may, links no signature engine")
	}
}

// allowedFolders are whose packages each module may use: shared ◀ the doors ◀ deploy ◀ tests.
// The doors meet on the bus, so that each can be built, read and run alone.
var allowedFolders = map[string][]string{
	"shared":     {"shared"},
	"ingress":    {"shared", "ingress"},
	"verifier":   {"shared", "verifier"},
	"dispatcher": {"shared", "dispatcher"},
	"deploy":     {"shared", "ingress", "verifier", "dispatcher", "deploy"},
	"tests":      {"shared", "ingress", "verifier", "dispatcher", "deploy", "tests"},
}

func TestDirectionOfImports(t *testing.T) {
	for _, s := range goFiles(t) {
		folder, _, _ := strings.Cut(s.path, "/")
		allowed, known := allowedFolders[folder]
		if !known {
			t.Errorf("%s lies in no module", s.path)
		}
		for _, path := range s.imports() {
			rest, ours := strings.CutPrefix(path, module)
			to, _, _ := strings.Cut(rest, "/")
			if ours && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s", s.path, path)
			}
		}
	}
}

// bans are imports with only few places, each with its reason.
var bans = []struct {
	path   string
	except []string
	reason string
}{
	{"github.com/nats-io/nats-server", []string{"deploy/embedded"}, "one package hosts the server: the doors are clients, whoever runs it"},
	{"github.com/rs/zerolog/log", nil, "a logger is passed in; a global one can't be told apart or silenced"},
	{"log", []string{"ingress", "deploy/admin", "shared/telemetry"}, "zerolog is passed in; the standard logger is only lent to net/http"},
	{"log/slog", nil, "zerolog is the logger"},
	{"math/rand", nil, "math/rand/v2 for jitter, crypto/rand for secrets"},
	{"unsafe", nil, "bytes from outside are parsed, not cast"},
	{"os/exec", nil, "no part of the program starts another one"},
	{"plugin", nil, "wiring is explicit"},
	{"net/http/pprof", nil, "it registers itself on the default server"},
	{"expvar", nil, "it registers itself on the default server"},
	{"github.com/nats-io/nats.go/micro", nil, "subjects come from shared/bus alone"},
}

func TestForbiddenImports(t *testing.T) {
	for _, s := range goFiles(t) {
		if s.test {
			continue
		}
		for _, path := range s.imports() {
			for _, ban := range bans {
				exact := !strings.Contains(ban.path, ".")
				if (path == ban.path || !exact && within(path, ban.path)) && !s.under(ban.except...) {
					t.Errorf("%s imports %s: %s", s.path, path, ban.reason)
				}
			}
		}
	}
}

// dialling are the ways out of a process, by package.
var dialling = map[string][]string{
	"net":                        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "LookupHost", "LookupIP", "LookupAddr", "DefaultResolver", "Resolver"},
	"net/http":                   {"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport", "Client", "Transport"},
	"crypto/tls":                 {"Dial", "DialWithDialer", "Dialer"},
	"golang.org/x/net/proxy":     {"*"},
	"github.com/nats-io/nats.go": {"Connect"},
}

// mayDial are the places that may: everything to the outside goes through shared/egress,
// which refuses internal addresses at the moment of dialling (promise 7). The others reach
// only the bus, or the loopback listener of an operator's own machine.
var mayDial = map[string][]string{
	"net":                        {"shared/egress"},
	"net/http":                   {"shared/egress", "deploy/admin/api", "deploy/cli"},
	"crypto/tls":                 {"shared/egress"},
	"github.com/nats-io/nats.go": {"shared/bus"},
}

func TestOnlyEgressDials(t *testing.T) {
	found := map[string]bool{}
	for _, s := range goFiles(t) {
		if s.test {
			continue
		}
		for _, use := range s.uses(dialling) {
			if s.under(mayDial[use.pkg]...) {
				found[s.dir] = true
				continue
			}
			t.Errorf("%s uses %s.%s: only shared/egress dials out", s.line(use.node), use.pkg, use.name)
		}
	}
	for _, dir := range []string{"shared/egress", "shared/bus"} {
		if !found[dir] {
			t.Errorf("nothing dials in %s: does this test still see anything?", dir)
		}
	}
}

// use is a name of another package where it makes something: called, built or taken. A mere
// type, for example of a parameter or a field, opens nothing.
type use struct {
	pkg, name string
	node      ast.Node
}

func (s *source) uses(names map[string][]string) []use {
	local := s.localNames(names)
	var types []ast.Node
	var out []use
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			types = append(types, n.Type)
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok {
				pkg := local[id.Name]
				if pkg != "" && (slices.Contains(names[pkg], n.Sel.Name) || slices.Contains(names[pkg], "*")) && !inside(n, types) {
					out = append(out, use{pkg, n.Sel.Name, n})
				}
			}
		}
		return true
	})
	return out
}

func inside(n ast.Node, of []ast.Node) bool {
	return slices.ContainsFunc(of, func(o ast.Node) bool { return o.Pos() <= n.Pos() && n.End() <= o.End() })
}

// localNames maps how the file calls a package to its path.
func (s *source) localNames(of map[string][]string) map[string]string {
	out := map[string]string{}
	for _, spec := range s.file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if of[path] == nil {
			continue
		}
		name := strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".go")
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out[name] = path
	}
	return out
}
