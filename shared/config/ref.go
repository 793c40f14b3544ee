package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Ref says where a secret is, never what it is: "env:NAME" or "file:PATH".
type Ref string

const (
	envScheme  = "env:"
	fileScheme = "file:"
	// maxSecret bounds what is read behind a reference; keys in PEM are a few KiB.
	maxSecret = 64 << 10
)

// refForm has one line, so that a path can not forge another.
var refForm = regexp.MustCompile(`^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+)$`)

// errNotRef never holds the text it refuses: that is likely a secret written in the open.
var errNotRef = errors.New("must be a reference to a secret, not the secret: env:NAME or file:PATH")

// UnmarshalText accepts "env:NAME" and "file:PATH". Its error does not repeat the text.
func (r *Ref) UnmarshalText(text []byte) error {
	if !refForm.Match(text) {
		return errNotRef
	}
	*r = Ref(text)
	return nil
}

// Resolve reads the secret behind r. It loses one trailing newline of a file and nothing else.
// Refused are: an unset or empty secret, NUL, white space around it, more than 64 KiB, and a
// file that its group or others may read. No error holds any part of the secret.
func (r Ref) Resolve() (Secret, error) {
	read := readEnv
	if strings.HasPrefix(string(r), fileScheme) {
		read = readSecretFile
	}
	b, err := read(r)
	if err == nil {
		err = checkSecret(b)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("resolve %s: %w", r.shown(), err)
	}
	return NewSecret(b), nil
}

// shown is r as it may be printed: a Ref that was never decoded could be a secret itself.
func (r Ref) shown() string {
	var valid Ref
	if valid.UnmarshalText([]byte(r)) != nil {
		return mask
	}
	return string(r)
}

func readEnv(r Ref) ([]byte, error) {
	name, isEnv := strings.CutPrefix(string(r), envScheme)
	if !isEnv {
		return nil, errNotRef
	}
	value, set := os.LookupEnv(name)
	if !set {
		return nil, errors.New("the environment variable is not set")
	}
	return []byte(value), nil
}

func readSecretFile(r Ref) ([]byte, error) {
	path := strings.TrimPrefix(string(r), fileScheme)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// Before opening: a named pipe would block for ever.
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkMode(f); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+2))
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// checkMode asks the open file, so that it can't be exchanged in between.
func checkMode(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("mode %04o lets others than the owner at it: chmod 600 %s", mode, f.Name())
	}
	return nil
}

func checkSecret(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("the secret is empty")
	case len(b) > maxSecret:
		return fmt.Errorf("the secret is longer than %d bytes", maxSecret)
	case bytes.IndexByte(b, 0) >= 0:
		return errors.New("the secret contains a NUL byte")
	case len(bytes.TrimSpace(b)) != len(b):
		return errors.New("the secret begins or ends with white space (only one final newline of a file is ignored)")
	}
	return nil
}

// under resolves the relative path of a file reference against dir.
func (r Ref) under(dir string) Ref {
	path, isFile := strings.CutPrefix(string(r), fileScheme)
	if !isFile {
		return r
	}
	return Ref(fileScheme + joined(dir, path))
}

// joined resolves path against dir; an empty path stays empty.
func joined(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
