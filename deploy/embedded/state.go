package embedded

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nkeys"
)

// State is a locked state directory: nkeys, secrets made on first use, JetStream's files.
type State struct {
	dir  string
	lock *os.File
}

// ErrInUse: another process holds the state directory.
var ErrInUse = errors.New("state directory is in use by another doorward")

// OpenState makes the directory (mode 0700) and locks it, or returns ErrInUse.
func OpenState(dir string) (*State, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, ErrInUse)
	}
	return &State{dir, lock}, nil
}

// Close unlocks the directory.
func (s *State) Close() error { return s.lock.Close() }

// Dir is the directory's path.
func (s *State) Dir() string { return s.dir }

// SeedPath is the file that holds an identity's nkey seed.
func SeedPath(dir, identity string) string { return filepath.Join(dir, "nkeys", identity+".nk") }

// Seed returns the nkey seed of an identity, making it on first use.
func (s *State) Seed(identity string) ([]byte, error) {
	return s.once(SeedPath(s.dir, identity), func() ([]byte, error) {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return nil, err
		}
		return pair.Seed()
	})
}

// SecretPath is the file that holds a secret made on first use.
func SecretPath(dir, name string) string { return filepath.Join(dir, "secrets", name) }

// Secret returns 32 random bytes in base64url, made on first use.
func (s *State) Secret(name string) (path string, err error) {
	path = SecretPath(s.dir, name)
	_, err = s.once(path, func() ([]byte, error) {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
	})
	return path, err
}

// once reads a file, or makes it: first under another name, so that a crash in between
// leaves nothing half written.
func (s *State) once(path string, make func() ([]byte, error)) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = make(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return nil, err
	}
	return data, os.Rename(path+".new", path)
}

// publicKeys is the public nkey of every identity.
func (s *State) publicKeys(identities []bus.Identity) (map[string]string, error) {
	out := map[string]string{}
	for _, id := range identities {
		seed, err := s.Seed(id.Name)
		if err != nil {
			return nil, fmt.Errorf("read the nkey of %s: %w", id.Name, err)
		}
		pair, err := nkeys.FromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("read the nkey of %s: %w", id.Name, err)
		}
		if out[id.Name], err = pair.PublicKey(); err != nil {
			return nil, fmt.Errorf("read the nkey of %s: %w", id.Name, err)
		}
	}
	return out, nil
}
