package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"sync"
)

// hashes are the hash functions of the HMAC algorithms.
var hashes = map[string]func() hash.Hash{"hmac-sha256": sha256.New, "hmac-sha512": sha512.New}

// hmacKey keeps states that have already absorbed the key, so that a request costs only its own bytes.
type hmacKey struct {
	block []byte // the key as HMAC sees it (RFC 2104, section 2), without its padding
	pool  sync.Pool
}

type mac struct {
	hash hash.Hash
	sum  [maxSize]byte
}

func newHMACKey(algorithm string, secret []byte) *hmacKey {
	newHash := hashes[algorithm]
	k := &hmacKey{block: keyBlock(newHash(), secret)}
	k.pool.New = func() any { return &mac{hash: hmac.New(newHash, secret)} }
	return k
}

// keyBlock is the form in which different secrets are one key: hashed if longer than a block, and without
// trailing zeros, which are HMAC's padding.
func keyBlock(h hash.Hash, secret []byte) []byte {
	if len(secret) > h.BlockSize() {
		h.Write(secret)
		secret = h.Sum(nil)
	}
	return bytes.TrimRight(bytes.Clone(secret), "\x00")
}

func (k *hmacKey) same(other material) bool {
	o, ok := other.(*hmacKey)
	return ok && bytes.Equal(k.block, o.block)
}

// compute makes the key's MAC over the input, once, whatever the number of signatures.
func (k *hmacKey) compute(m *mac, in *input, text []byte) (sum, reuse []byte) {
	m.hash.Reset()
	reuse = in.chunks(text, func(b []byte) { m.hash.Write(b) })
	return m.hash.Sum(m.sum[:0]), reuse
}

func (k *hmacKey) proves(in *input, sigs *signatures, text *[]byte) bool {
	m := k.pool.Get().(*mac)
	defer k.pool.Put(m)
	sum, reuse := k.compute(m, in, *text)
	*text = reuse
	match := false
	for i := range sigs.n {
		match = hmac.Equal(sum, sigs.at(i)) || match
	}
	return match
}

func (k *hmacKey) sign(in *input) ([]byte, error) {
	m := k.pool.Get().(*mac)
	defer k.pool.Put(m)
	sum, _ := k.compute(m, in, nil)
	return bytes.Clone(sum), nil
}
