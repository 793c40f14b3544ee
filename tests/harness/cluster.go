package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/deploy/program"
	"github.com/nats-io/nkeys"
)

// Build compiles main packages into dir, from this module's own versions.
func Build(dir string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", dir + string(filepath.Separator)}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

// Main packages that tests build.
const (
	DoorwardPackage   = "github.com/doorward/doorward/deploy/cmd/doorward"
	NATSServerPackage = "github.com/nats-io/nats-server/v2"
)

// Credentials writes an nkey for every identity of the bus into dir, and returns the
// nats.credentials that name them.
func Credentials(t testing.TB, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, identity := range program.Names().Identities {
		path := filepath.Join(dir, identity+".nk")
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, seed, 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s: %q", identity, "file:"+path))
	}
	return "{ " + strings.Join(out, ", ") + " }"
}
