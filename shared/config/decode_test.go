package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheDesignExampleLoads(t *testing.T) {
	c, err := Load("testdata/design.yaml", knownNames)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	agents := c.Sources["agents"]
	tests := []struct {
		what      string
		got, want any
	}{
		{"path", c.Path, "testdata/design.yaml"},
		{"store", c.NATS.Embedded.Store, filepath.Join(dir, "data")},
		{"schema", agents.Schema, filepath.Join(dir, "schemas/task.json")},
		{"max_bytes", c.NATS.Embedded.MaxBytes, Bytes(10 << 30)},
		{"prefix", c.NATS.Prefix, "dw"},
		{"replicas", c.NATS.Replicas, 1},
		{"durability", c.NATS.Durability, PowerLoss},
		{"skew", c.Verifier.Skew, Duration(time.Minute)},
		{"admin", c.Admin.Listen, "127.0.0.1:9090"},
		{"ports", c.Egress.Ports, []int{443}},
		{"raw", c.Streams.Raw, StreamLimit{MaxBytes: 2 << 30, MaxMessages: 100000}},
		{"refused keep", c.Streams.Refused.Keep, Duration(14 * 24 * time.Hour)},
		{"tolerance", agents.Verify.Tolerance, Duration(5 * time.Minute)},
		{"remember", agents.Verify.Remember, Duration(7 * 24 * time.Hour)},
		{"key", agents.Verify.Keys[1], Key{ID: "k1", Secret: "env:AGENTS_OLD", NotAfter: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}},
		{"type", agents.Event.Type.Source(), `"agent.task." + body.status`},
		{"source", agents.Event.Source, "doorward:agents"},
		{"max_body", agents.MaxBody, Bytes(1 << 20)},
		{"nats concurrency", c.Targets["agents"].Concurrency, 1024},
		{"http concurrency", c.Targets["billing"].Concurrency, 16},
		{"start", c.Targets["agents"].Start, "new"},
		{"mode", c.Targets["billing"].HTTP.Mode, "structured"},
		{"timeout", c.Targets["billing"].HTTP.Timeout, Duration(10 * time.Second)},
		{"attempts", c.Targets["agents"].Retry.Attempts, 8},
		{"last pause", c.Targets["agents"].Retry.Backoff[6], Duration(time.Hour)},
	}
	for _, tt := range tests {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.what, tt.got, tt.want)
		}
	}
}

func TestWithoutNATSTheServerIsEmbedded(t *testing.T) {
	c, err := Decode("x", []byte("version: 1\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.NATS.Embedded == nil || c.NATS.Embedded.Store != "./data" || c.NATS.URL != "" || c.NATS.Prefix != "dw" {
		t.Errorf("got %+v, want the embedded server with its defaults", c.NATS)
	}
}

func TestWhatTheFileSaysOverridesPartOfADefault(t *testing.T) {
	c, err := Load("testdata/everything.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (StreamLimit{MaxBytes: 1 << 30, Keep: Duration(36 * time.Hour)}); c.Streams.Out != want {
		t.Errorf("out: got %+v, want %+v", c.Streams.Out, want)
	}
	if want := (StreamLimit{MaxBytes: 1 << 30}); c.Streams.Raw != want {
		t.Errorf("raw, with its message limit lifted: got %+v, want %+v", c.Streams.Raw, want)
	}
	if c.NATS.Embedded != nil {
		t.Errorf("beside a url there is an embedded server: %+v", c.NATS.Embedded)
	}
	if got := c.Targets["workers"].Concurrency; got != 1 {
		t.Errorf("ordered: got concurrency %d, want 1", got)
	}
}

// refusals are pairs: the good line loads, the bad one in its place is refused with the message.
var refusals = []struct{ name, good, bad, want string }{
	{"unknown provider", "provider: github", "provider: gitlab", "unknown provider"},
	{"reference", `secret: "env:A"`, `secret: hunter2`, "must be a reference"},
	{"shared secret", `secret: "env:B"`, `secret: "env:A"`, "every key needs its own"},
	{"key id", "id: k1", `id: "k 1"`, "must be 1 to 64"},
	{"unique key id", "id: k2", "id: k1", "already"},
	{"validity", "not_after: 2026-02-01T00:00:00Z", "not_after: 2025-02-01T00:00:00Z", "must be later than not_before"},
	{"tolerance", "tolerance: 5m", "tolerance: -5m", "must be a duration"},
	{"body of the ingress", "max_body: 8MiB", "max_body: 8388609", "must be at most 8MiB"},
	{"admin on loopback", `admin: { listen: "127.0.0.1:9090" }`, `admin: { listen: "10.0.0.1:9090" }`, "must be a loopback address"},
	{"admin on loopback, not by name", `admin: { listen: "127.0.0.1:9090" }`, `admin: { listen: "localhost.example:9090" }`, "must be a loopback address"},
	{"ingress port", `listen: ":8080"`, `listen: ":99999"`, "the port must be a number"},
	{"prefix", "prefix: dw", "prefix: dw.x", "must be 1 to 64"},
	{"replicas", "replicas: 3", "replicas: 4", "must be one of 1, 3, 5"},
	{"power loss", "replicas: 3", "replicas: 1", "does not survive a loss of power"},
	{"attempts", "attempts: 100", "attempts: 101", "must be at most 100"},
	{"source of a target", "from: [github]", "from: [githup]", "there is no source"},
	{"one destination", "http: {", "nats: { subject: x }, http: {", "needs either nats or http, not both"},
	{"https", "url: https://a.example/", "url: http://a.example/", "must be an https URL"},
	{"egress port", "url: https://a.example/", "url: https://a.example:444/", "not among egress.ports"},
	{"subject", `"agents.{id}"`, `"dw.{id}"`, "Doorward's own"},
	{"parameter", "with: { header: X-A }", `with: { header: "file:/x" }`, "must not be a reference"},
	{"ordered", "concurrency: 1", "concurrency: 2", "one at a time"},
	{"proxies", "trusted_proxies: [10.0.0.0/8]", `trusted_proxies: ["::ffff:10.0.0.0/104"]`, "written as IPv4"},
	{"empty allow list", "addresses: [10.0.0.0/8]", "addresses: []", "leave the key out to allow any"},
	{"user in a URL", "url: nats://a:4222", "url: nats://u:p@a:4222", "must not contain a user"},
}

const twin = `version: 1
nats: { url: nats://a:4222, prefix: dw, replicas: 3 }
admin: { listen: "127.0.0.1:9090" }
ingress: { listen: ":8080", max_body: 8MiB, trusted_proxies: [10.0.0.0/8] }
sources:
  github:
    verify:
      provider: github
      tolerance: 5m
      with: { header: X-A }
      keys:
        - { id: k1, secret: "env:A", not_before: 2026-01-01T00:00:00Z, not_after: 2026-02-01T00:00:00Z }
        - { id: k2, secret: "env:B" }
    allow: { addresses: [10.0.0.0/8] }
targets:
  a: { from: [github], http: { url: https://a.example/ }, retry: { attempts: 100 } }
  b: { nats: { subject: "agents.{id}" }, ordered: true, concurrency: 1 }
`

func TestRefusals(t *testing.T) {
	if _, err := Decode("good", []byte(twin), knownNames); err != nil {
		t.Fatalf("the twin is refused: %v", err)
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(twin, tt.good) == 0 {
				t.Fatalf("the twin has no %q", tt.good)
			}
			bad := strings.Replace(twin, tt.good, tt.bad, 1)
			_, err := Decode("bad", []byte(bad), knownNames)
			var all Errors
			if !errors.As(err, &all) || len(all) != 1 || !strings.Contains(all[0].Message, tt.want) {
				t.Errorf("got %v, want one problem with %q", err, tt.want)
			}
		})
	}
}

func TestAliasesStandForManyValuesButNotForBillions(t *testing.T) {
	bomb := func(width int) []byte {
		backoff := strings.TrimSuffix(strings.Repeat("1s,", width), ",")
		text := "version: 1\ntargets:\n  t: { http: { url: https://a/ }, retry: &r { backoff: [" + backoff + "] } }\n"
		for i := range width {
			text += fmt.Sprintf("  t%d: { http: { url: https://a/ }, retry: *r }\n", i)
		}
		return []byte(text)
	}
	if _, err := Decode("few", bomb(20), Options{}); err != nil {
		t.Fatalf("a few aliases: %v", err)
	}
	_, err := Decode("bomb", bomb(400), Options{})
	if err == nil || !strings.Contains(err.Error(), "aliases stand for too many values") {
		t.Errorf("got %.200v, want a refusal of the aliases", err)
	}
}

func TestMistakesLeaveTheSoundPartsForTheDoors(t *testing.T) {
	const text = `version: 1
sources:
  good: { verify: { provider: github, keys: [ { id: a, secret: "env:A" } ] } }
  bad: { verify: { provider: github, keys: [ { id: a, secret: hunter2 } ] } }
targets:
  good: { from: [good], http: { url: https://a/ } }
  bad: { http: { url: ftp://a/ } }
  hit: { from: [bad], http: { url: https://a/ } }
`
	c, err := Decode("x", []byte(text), Options{})
	if err == nil {
		t.Fatal("the mistakes were not found")
	}
	if _, ok := c.Sources["good"]; !ok || len(c.Sources) != 1 {
		t.Errorf("got sources %v, want good alone", c.Sources)
	}
	if _, ok := c.Targets["good"]; !ok || len(c.Targets) != 1 {
		t.Errorf("got targets %v, want good alone", c.Targets)
	}
}

func TestLoadWithoutAFile(t *testing.T) {
	c, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if c != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v, want an error that is fs.ErrNotExist", c, err)
	}
}

func TestATooLargeFileIsRefused(t *testing.T) {
	line := "# " + strings.Repeat("x", 98) + "\n"
	path := filepath.Join(t.TempDir(), "doorward.yaml")
	for _, tt := range []struct {
		size int
		ok   bool
	}{{maxFile / 2, true}, {maxFile + 100, false}} {
		text := "version: 1\n" + strings.Repeat(line, tt.size/len(line))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, Options{}); (err == nil) != tt.ok {
			t.Errorf("%d bytes: got %v, want accepted %v", tt.size, err, tt.ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	bad, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range append(files, bad...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode("f", data, knownNames)
		var all Errors
		if err != nil && (!errors.As(err, &all) || len(all) == 0) {
			t.Fatalf("got %v, want Errors", err)
		}
		lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, p := range all {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len([]rune(lines[p.Line-1]))+1 {
				t.Errorf("%d:%d is not a place in the file: %s", p.Line, p.Column, p.Message)
			}
			_ = p.Error()
		}
		if p := c.Problem("sources.a.event.type", errors.New("x")); p.Line < 1 {
			t.Errorf("got line %d for a door's mistake", p.Line)
		}
	})
}
