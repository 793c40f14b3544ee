package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// minSecret is the least length of a shared secret in bytes after decoding
// (Standard Webhooks, "Signature scheme": between 24 and 64 bytes).
const minSecret = 24

// maxKeys bounds how many keys one request may be tried with.
const maxKeys = 16

// Key is one of a source's keys.
type Key struct {
	// ID names the key in events and metrics.
	ID string
	// Secret is the text as configured: the shared secret, or the public key of an asymmetric scheme.
	Secret []byte
	// Private is the private half of an asymmetric scheme; only Sign needs it.
	Private []byte
	// NotBefore and NotAfter bound the times of receipt at which the key proves anything; zero means no bound.
	NotBefore, NotAfter time.Time
	// Revoked refuses at any time of receipt.
	Revoked bool
}

// key is a Key ready for use.
type key struct {
	id                  string
	notBefore, notAfter time.Time
	revoked             bool
	material            material
}

// material proves and makes signatures with one key.
type material interface {
	// proves says whether any of the signatures is this key's over the input.
	proves(in *input, sigs *signatures, text *[]byte) bool
	// sign returns this key's signature over the input.
	sign(in *input) ([]byte, error)
	// same says whether both would accept the same signatures.
	same(other material) bool
}

// judge is why a key that matched proves nothing at this time of receipt; nil if it does.
func (k *key) judge(at time.Time) *Refusal {
	switch {
	case k.revoked:
		return refuse(outcome.KeyRevoked, "the key that signed is revoked")
	case !k.notBefore.IsZero() && at.Before(k.notBefore):
		return refuse(outcome.KeyExpired, "the key that signed was not yet valid at receipt")
	case !k.notAfter.IsZero() && at.After(k.notAfter):
		return refuse(outcome.KeyExpired, "the key that signed was no longer valid at receipt")
	}
	return nil
}

func compileKeys(v *provider.Variant, published []string, opt Options) ([]key, error) {
	if len(opt.Keys) == 0 {
		return nil, errors.New("no keys")
	}
	if len(opt.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, more than %d", len(opt.Keys), maxKeys)
	}
	var keys []key
	var errs []error
	for _, k := range opt.Keys {
		m, err := compileKey(v, k, opt.AllowWeakSecret)
		if err == nil {
			err = distinct(keys, k.ID, m)
		}
		if err == nil && !opt.AllowWeakSecret && slices.Contains(published, string(k.Secret)) {
			err = errors.New("the secret is an example that the provider has published")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("key %q: %w", k.ID, err))
			continue
		}
		keys = append(keys, key{k.ID, k.NotBefore, k.NotAfter, k.Revoked, m})
	}
	return keys, errors.Join(errs...)
}

func compileKey(v *provider.Variant, k Key, weak bool) (material, error) {
	if err := presentable(k, v.Keys.Kind == "shared", weak); err != nil {
		return nil, err
	}
	secret, err := decodeSecret(v.Keys.Decode, k.Secret)
	switch {
	case err != nil:
		return nil, err
	case len(secret) < max(1, v.Keys.MinLen):
		return nil, fmt.Errorf("%d bytes after decoding, the scheme needs %d", len(secret), max(1, v.Keys.MinLen))
	case v.Keys.Kind == "ed25519_public":
		return newEdKey(v, secret, k.Private)
	case len(secret) < minSecret && !weak:
		return nil, fmt.Errorf("%d bytes after decoding, fewer than %d: allow_weak_secret accepts it", len(secret), minSecret)
	}
	return newHMACKey(v.Algorithm, secret), nil
}

// presentable finds what is a mistake whatever the scheme: nothing, blanks, or another kind of key.
func presentable(k Key, shared, weak bool) error {
	blank := bytes.Trim(k.Secret, " \t\r\n\x00")
	switch {
	case len(blank) == 0:
		return errors.New("the secret is empty")
	case len(blank) != len(k.Secret) && !weak:
		return errors.New("the secret begins or ends with white space or NUL")
	case shared && bytes.Contains(k.Secret, []byte("-----BEGIN")):
		return errors.New("the secret is a PEM block, the scheme takes a shared secret")
	case shared && len(k.Private) > 0:
		return errors.New("a private half is set, the scheme takes a shared secret")
	}
	return nil
}

// distinct refuses two keys that accept the same signatures: revoking or expiring one would have no effect.
func distinct(keys []key, id string, m material) error {
	for _, k := range keys {
		if k.id == id {
			return errors.New("the id is there twice")
		}
		if k.material.same(m) {
			return fmt.Errorf("the same key as %q", k.id)
		}
	}
	return nil
}

// decodeSecret applies the spec's steps in order. Errors never show the secret.
func decodeSecret(steps []provider.Term, secret []byte) ([]byte, error) {
	text := string(secret)
	for _, step := range steps {
		var out []byte
		var err error
		switch step.Kind {
		case provider.TrimPrefix:
			text = strings.TrimPrefix(text, step.Arg)
			continue
		case provider.RequirePrefix:
			rest, found := strings.CutPrefix(text, step.Arg)
			if !found {
				return nil, fmt.Errorf("the secret does not begin with %s", step.Arg)
			}
			text = rest
			continue
		case provider.Base64:
			out, err = base64.StdEncoding.Strict().DecodeString(text)
		case provider.Hex:
			out, err = hex.DecodeString(text)
		default: // utf8
			out = []byte(text)
		}
		if err != nil || step.Kind == provider.Base64 && strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("the secret is not %s", step.Kind)
		}
		text = string(out)
	}
	return []byte(text), nil
}
