package signature

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/doorward/doorward/shared/provider"
)

// edKey is an Ed25519 key (RFC 8032), with its private half if it may sign.
type edKey struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

// weakPoints are the y-coordinates, little-endian, of the points of small order: under such a public key a
// signature can be made for any message without a private key.
var weakPoints = [...]string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func newEdKey(v *provider.Variant, public, private []byte) (*edKey, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a public key has %d bytes, not %d", ed25519.PublicKeySize, len(public))
	}
	if err := strong(public); err != nil {
		return nil, err
	}
	k := &edKey{public: public}
	if len(private) == 0 {
		return k, nil
	}
	secret, err := decodeSecret(v.Keys.Private, private)
	if err != nil {
		return nil, fmt.Errorf("private half: %w", err)
	}
	switch len(secret) {
	case ed25519.SeedSize:
		k.private = ed25519.NewKeyFromSeed(secret)
	case ed25519.PrivateKeySize:
		k.private = ed25519.NewKeyFromSeed(secret[:ed25519.SeedSize])
	default:
		return nil, errors.New("private half: neither 32 nor 64 bytes")
	}
	if !bytes.Equal(k.private[ed25519.SeedSize:], public) {
		return nil, errors.New("private half: belongs to another public key")
	}
	return k, nil
}

// strong refuses points of small order, and encodings that are not canonical (y ≥ 2²⁵⁵−19).
func strong(public []byte) error {
	y := bytes.Clone(public)
	y[31] &= 0x7f // the sign of x
	text := hex.EncodeToString(y)
	for _, weak := range weakPoints {
		if text == weak {
			return errors.New("the public key is a point of small order")
		}
	}
	if y[0] >= 0xed && y[31] == 0x7f && bytes.Count(y[1:31], []byte{0xff}) == 30 {
		return errors.New("the public key is not in canonical form")
	}
	return nil
}

func (k *edKey) same(other material) bool {
	o, ok := other.(*edKey)
	return ok && bytes.Equal(k.public, o.public)
}

func (k *edKey) proves(in *input, sigs *signatures, _ *[]byte) bool {
	message := in.join()
	for i := range sigs.n {
		if ed25519.Verify(k.public, message, sigs.at(i)) {
			return true
		}
	}
	return false
}

func (k *edKey) sign(in *input) ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("the key has no private half")
	}
	return ed25519.Sign(k.private, in.join()), nil
}

// join makes the content one slice.
func (in *input) join() []byte {
	var whole []byte
	in.chunks(nil, func(b []byte) { whole = append(whole, b...) })
	return whole
}
