package config

import (
	"fmt"
	"io"
)

// mask stands wherever a secret would otherwise be printed.
const mask = "[secret]"

// Secret is the text a Ref leads to. It prints as "[secret]" under every fmt verb and in
// JSON, YAML, text and zerolog; only Reveal gives it away. The bytes sit behind a function,
// so that not even a printer that walks unexported fields by reflection comes to them.
type Secret struct {
	reveal func() []byte
}

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret {
	kept := append([]byte(nil), b...)
	return Secret{reveal: func() []byte { return append([]byte(nil), kept...) }}
}

// Reveal returns a copy of the secret's bytes, nil for the zero Secret.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// IsZero reports whether s holds no secret at all.
func (s Secret) IsZero() bool { return s.reveal == nil }

// String is the mask.
func (s Secret) String() string { return mask }

// GoString is the mask.
func (s Secret) GoString() string { return mask }

// Format writes the mask, whatever the verb and its flags.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, mask) }

// MarshalText is the mask, for JSON keys, loggers and flags.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON is the mask in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalYAML is the mask.
func (s Secret) MarshalYAML() (any, error) { return mask, nil }
