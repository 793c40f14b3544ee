// Package nonce derives the id under which a delivery is remembered.
//
// A nonce is a keyed digest of source, class and material. It promises that nobody
// without the key can name a nonce, and that two different triples never share one but
// by a collision of HMAC-SHA256. Material is decided after authentication, from decoded
// content that the signature covers: never from signature text or an unsigned header.
package nonce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"sync"
)

// size is the digest's length kept, in bytes: 192 bits, 32 characters. The server keeps
// 118 bytes for such an id, 134 for a whole digest.
const size = 24

// Length of a nonce in characters.
const Length = size * 4 / 3

// Deriver derives nonces under one key.
type Deriver struct{ macs sync.Pool }

// NewDeriver takes a key of at least 16 bytes.
func NewDeriver(key []byte) (*Deriver, error) {
	if len(key) < 16 {
		return nil, errors.New("derive nonces: the key is shorter than 16 bytes")
	}
	d := &Deriver{}
	d.macs.New = func() any { return hmac.New(sha256.New, key) }
	return d, nil
}

// Derive is the nonce of material of a class within a source. The result is a subject
// token and a message id.
func (d *Deriver) Derive(source string, class byte, material []byte) string {
	mac := d.macs.Get().(hash.Hash)
	defer d.macs.Put(mac)
	mac.Reset()
	var frame [2]byte
	frame[1] = class
	_, _ = mac.Write([]byte(source)) // a source name holds no zero byte
	_, _ = mac.Write(frame[:])
	_, _ = mac.Write(material)
	var sum [sha256.Size]byte
	return base64.RawURLEncoding.EncodeToString(mac.Sum(sum[:0])[:size])
}

// Digest is the SHA-256 of a body in lower-case hex, as dwdigest states it.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
