package program

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/config"
)

func decode(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Decode("doorward.yaml", []byte("version: 1\n"+text), Names())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSubjectFilterCoversEverySubjectOfATemplate(t *testing.T) {
	for template, want := range map[string]string{
		"agents.resume.{correlationid}": "agents.resume.*",
		"a.{type}.b.{id}":               "a.*.b.*",
		"a.x-{id}-y":                    "a.*",
		"plain.subject":                 "plain.subject",
	} {
		parts, err := config.ParseSubject(template, "dw")
		if err != nil {
			t.Fatal(err)
		}
		if got := subjectFilter(parts); got != want {
			t.Errorf("subjectFilter(%q) = %q, want %q", template, got, want)
		}
	}
}

const githubSource = `sources: { github: { verify: { provider: github, keys: [ { id: g, secret: "env:G" } ] } } }
`

func TestDefaultsFitIntoTheMemoryBudget(t *testing.T) {
	if _, err := LayoutOf(decode(t, githubSource)); err != nil {
		t.Errorf("the shipped limits: %v", err)
	}
	_, err := LayoutOf(decode(t, githubSource+"streams: { verified: { max_bytes: 8GiB } }\n"))
	if err == nil || !strings.Contains(err.Error(), "verifier.memory_budget") {
		t.Errorf("8GiB of verified events: got %v, want the budget named", err)
	}
	if _, err := LayoutOf(decode(t, githubSource+"streams: { verified: { max_bytes: 8GiB } }\nverifier: { memory_budget: 4GiB }\n")); err != nil {
		t.Errorf("with a larger budget: %v", err)
	}
}

func TestRawOvercommitment(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0,
		githubSource + "streams: { raw: { max_bytes: 1GiB, max_messages: 1024 } }\n": 1,
		githubSource + "streams: { raw: { max_bytes: 1GiB, max_messages: 2048 } }\n": 2,
	} {
		if got := RawOvercommitment(decode(t, text)); got != want {
			t.Errorf("RawOvercommitment of %q = %v, want %v", text, got, want)
		}
	}
}

func TestDevConfigurationIsReady(t *testing.T) {
	dir := t.TempDir()
	path, err := EnsureDev(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Errorf("check: %v", err)
	}
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := cfg.Sources["agents"].Verify.Keys[0].Secret.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureDev(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := cfg.Sources["agents"].Verify.Keys[0].Secret.Resolve(); err != nil || string(again.Reveal()) != string(first.Reveal()) {
		t.Errorf("the second start made another secret (%v)", err)
	}
}
