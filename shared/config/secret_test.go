package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v4"
)

const hidden = "hunter2hunter2"

// holder keeps a secret where fmt can not call its methods.
type holder struct {
	Open   Secret
	closed Secret
}

func TestASecretIsPrintedByNobody(t *testing.T) {
	s := NewSecret([]byte(hidden))
	if got := string(s.Reveal()); got != hidden {
		t.Fatalf("Reveal: got %q, want %q", got, hidden)
	}
	var printed []string
	for _, verb := range strings.Split("v +v #v s q x X d c b o U e t p T w 10.3s", " ") {
		for _, value := range []any{s, &s, holder{s, s}, &holder{s, s}, []Secret{s}, map[string]Secret{"k": s}} {
			printed = append(printed, fmt.Sprintf("%"+verb, value))
		}
	}
	inJSON, err := json.Marshal(map[string]any{"a": s, "b": &holder{s, s}})
	if err != nil {
		t.Fatal(err)
	}
	inYAML, err := yaml.Dump(map[string]any{"a": s, "b": []Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := zerolog.New(&log)
	logger.Info().Any("a", s).Stringer("b", s).Any("c", holder{s, s}).Msg("printed")
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range append(printed, string(inJSON), string(inYAML), log.String(), string(text)) {
		for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), "104 117 110", "0x68, 0x75"} {
			if strings.Contains(out, form) {
				t.Errorf("the secret is in %q", out)
			}
		}
	}
	if !strings.Contains(string(inJSON)+log.String(), mask) {
		t.Errorf("got %s and %s, want the mask in both", inJSON, log.String())
	}
}

func TestASecretIsNotChangedFromOutside(t *testing.T) {
	b := []byte(hidden)
	s := NewSecret(b)
	b[0] = 'X'
	s.Reveal()[1] = 'X'
	if got := string(s.Reveal()); got != hidden {
		t.Errorf("got %q, want %q", got, hidden)
	}
	if !(Secret{}).IsZero() || s.IsZero() || (Secret{}).Reveal() != nil {
		t.Error("only the zero Secret is zero")
	}
}

func TestResolveFiles(t *testing.T) {
	tests := []struct {
		name, content string
		mode          os.FileMode
		want, refusal string
	}{
		{"plain", hidden, 0o600, hidden, ""},
		{"one newline is ignored", hidden + "\n", 0o400, hidden, ""},
		{"inner white space", "two words", 0o600, "two words", ""},
		{"two newlines", hidden + "\n\n", 0o600, "", "white space"},
		{"carriage return", hidden + "\r\n", 0o600, "", "white space"},
		{"leading blank", " " + hidden, 0o600, "", "white space"},
		{"NUL", "hunter2\x00hunter2", 0o600, "", "NUL"},
		{"empty", "", 0o600, "", "empty"},
		{"only a newline", "\n", 0o600, "", "empty"},
		{"group may read", hidden, 0o640, "", "chmod 600"},
		{"others may read", hidden, 0o604, "", "chmod 600"},
		{"others may write", hidden, 0o602, "", "chmod 600"},
		{"longest", strings.Repeat("x", maxSecret), 0o600, strings.Repeat("x", maxSecret), ""},
		{"too long", strings.Repeat("x", maxSecret+1), 0o600, "", "longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			checkResolve(t, Ref("file:"+path), tt.want, tt.refusal)
		})
	}
	checkResolve(t, Ref("file:"+t.TempDir()), "", "not a regular file")
	checkResolve(t, Ref("file:"+filepath.Join(t.TempDir(), "none")), "", "no such file")
}

func TestResolveEnvironment(t *testing.T) {
	t.Setenv("DOORWARD_TEST", hidden)
	checkResolve(t, "env:DOORWARD_TEST", hidden, "")
	t.Setenv("DOORWARD_TEST", hidden+"\n")
	checkResolve(t, "env:DOORWARD_TEST", "", "white space")
	t.Setenv("DOORWARD_TEST", "")
	checkResolve(t, "env:DOORWARD_TEST", "", "empty")
	checkResolve(t, "env:DOORWARD_TEST_UNSET", "", "not set")
	checkResolve(t, hidden, "", "must be a reference")
	checkResolve(t, "", "", "must be a reference")
}

func checkResolve(t *testing.T, r Ref, want, refusal string) {
	t.Helper()
	s, err := r.Resolve()
	if refusal == "" {
		if err != nil || string(s.Reveal()) != want {
			t.Errorf("got %q, %v, want %q", s.Reveal(), err, want)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), refusal) || strings.Contains(err.Error(), hidden) {
		t.Errorf("got %v, want a refusal with %q and without the secret", err, refusal)
	}
}

func TestReferences(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
	}{
		{"env:NAME", true}, {"env:_n1", true}, {"file:/a b", true}, {"file:./a", true},
		{"", false}, {"env:", false}, {"env:1A", false}, {"env:A-B", false}, {"file:", false},
		{"file:a\nb", false}, {" env:A", false}, {"ENV:A", false}, {"env:A\n", false}, {hidden, false},
	}
	for _, tt := range tests {
		var r Ref
		err := r.UnmarshalText([]byte(tt.text))
		if (err == nil) != tt.ok {
			t.Errorf("%q: got %v, want accepted %v", tt.text, err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("the error repeats what may be a secret: %v", err)
		}
	}
}
