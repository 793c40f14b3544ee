package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestTheIngressIsToldNoSecret(t *testing.T) {
	c, err := Load("testdata/everything.yaml", knownNames)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Project(c, "ingress")
	if err != nil {
		t.Fatal(err)
	}
	own := string(c.NATS.Credentials["ingress"])
	rest := strings.Replace(string(out), own, "", 1)
	for _, word := range []string{"env:", "file:", "keys", "secret:", "token", "retired", "seal", "agent.task"} {
		if strings.Contains(rest, word) {
			t.Errorf("the projection has %q:\n%s", word, out)
		}
	}
	checkProjected(t, c, out)
}

func checkProjected(t *testing.T, c *Config, out []byte) {
	t.Helper()
	got, err := DecodeProjected("projected.yaml", out, knownNames)
	if err != nil {
		t.Fatalf("the projection is refused: %v\n%s", err, out)
	}
	agents, want := got.Sources["agents"], c.Sources["agents"]
	for _, tt := range []struct{ got, want any }{
		{got.Ingress, c.Ingress}, {got.NATS.URL, c.NATS.URL}, {got.NATS.CA, c.NATS.CA}, {got.NATS.Prefix, c.NATS.Prefix},
		{got.NATS.Credentials, map[string]Ref{"ingress": c.NATS.Credentials["ingress"]}},
		{agents.Verify.Provider, want.Verify.Provider}, {agents.Verify.With, want.Verify.With},
		{agents.Allow.Addresses, want.Allow.Addresses}, {agents.MaxBody, want.MaxBody}, {len(got.Sources), 1},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("got %v, want %v", tt.got, tt.want)
		}
	}
	if _, err := Decode("projected.yaml", out, knownNames); err == nil {
		t.Error("a projection passes for a whole configuration: its sources have no keys")
	}
}

func TestProjectRefuses(t *testing.T) {
	load := func() *Config {
		c, err := Load("testdata/everything.yaml", knownNames)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	tests := []struct {
		name, role, want string
		change           func(*Config)
	}{
		{"its twin", "ingress", "", func(*Config) {}},
		{"another role", "verifier", "only ingress", func(*Config) {}},
		{"an embedded server", "ingress", "needs nats.url", func(c *Config) { c.NATS = NATS{Embedded: &Embedded{}} }},
		{"a smuggled reference", "ingress", "look like references", func(c *Config) { c.Sources["agents"].Verify.With["header"] = "env:AGENTS_NEW" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load()
			tt.change(c)
			out, err := Project(c, tt.role)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || out != nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %d bytes, %v, want an error with %q", len(out), err, tt.want)
			}
		})
	}
}

func TestLoadProjected(t *testing.T) {
	c, err := Load("testdata/everything.yaml", knownNames)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Project(c, "ingress")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/ingress.yaml"
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadProjected(path, knownNames)
	if err != nil || got.NATS.CA != c.NATS.CA {
		t.Errorf("got %v, want the CA at the same place %s", err, c.NATS.CA)
	}
}
