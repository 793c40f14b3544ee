package verifier

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/doorward/doorward/shared/config"
)

// sealer keeps requests that were refused: whole, but readable by the verifier alone
// (HPKE base mode, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305).
type sealer struct {
	private hpke.PrivateKey
	public  hpke.PublicKey
	keyID   string
}

// sealInfo separates these ciphertexts from any other use of the key.
var sealInfo = []byte("doorward refused request v1")

// newSealer derives the key pair from a secret of at least 32 bytes.
func newSealer(secret config.Secret) (*sealer, error) {
	ikm := secret.Reveal()
	if len(ikm) < 32 {
		return nil, errors.New("read the seal key: it is shorter than 32 bytes")
	}
	private, err := hpke.DHKEM(ecdh.X25519()).DeriveKeyPair(ikm)
	if err != nil {
		return nil, fmt.Errorf("derive the seal key: %w", err)
	}
	public := private.PublicKey()
	sum := sha256.Sum256(public.Bytes())
	return &sealer{private, public, hex.EncodeToString(sum[:6])}, nil
}

func (s *sealer) seal(plain []byte) ([]byte, error) {
	return hpke.Seal(s.public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo, plain)
}

func (s *sealer) open(keyID string, sealed []byte) ([]byte, error) {
	if keyID != s.keyID {
		return nil, fmt.Errorf("open a kept request: it is sealed to key %s, this verifier holds %s", keyID, s.keyID)
	}
	plain, err := hpke.Open(s.private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo, sealed)
	if err != nil {
		return nil, fmt.Errorf("open a kept request: %w", err)
	}
	return plain, nil
}
