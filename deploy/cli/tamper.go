package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/verifier/signature"
)

// Ways to tamper with a request, for seeing it refused.
const (
	tamperBody      = "body"      // a bit of the body flips after signing
	tamperSignature = "signature" // the signature is one over something else
	tamperTimestamp = "timestamp" // signed an hour ago, with the genuine key
	tamperKey       = "key"       // signed with a key that the source does not have
)

var tampers = []string{tamperBody, tamperSignature, tamperTimestamp, tamperKey}

// past is how long ago a tampered timestamp lies, at the least.
const past = time.Hour

func checkTamper(how string) error {
	if how != "" && !slices.Contains(tampers, how) {
		return usage("--tamper %q: there are %s", how, strings.Join(tampers, ", "))
	}
	return nil
}

// signTampered signs r, and goes wrong in the one way that was asked for.
func (s *signer) signTampered(r *signature.Request, id string, now time.Time) error {
	body := r.Body
	switch s.tamper {
	case tamperTimestamp:
		tolerated, _ := s.scheme.Freshness()
		now = now.Add(-max(past, tolerated+time.Minute))
	case tamperSignature:
		// A signature over other bytes: it decodes, and whatever else is right stays right.
		r.Body = append(bytes.Clone(body), ' ')
	}
	if err := s.scheme.Sign(r, s.key, now, id); err != nil {
		return err
	}
	r.Body = body
	if s.tamper == tamperBody {
		r.Body = flipped(body)
	}
	return nil
}

// flipped is body with one bit changed; an empty one gets a byte.
func flipped(body []byte) []byte {
	if len(body) == 0 {
		return []byte{'0'}
	}
	out := bytes.Clone(body)
	out[len(out)/2] ^= 1
	return out
}

// sharedKeys is the kind of key that signs and verifies alike.
const sharedKeys = "shared"

// strangeKey is a fresh key in the form that the scheme wants one in.
func strangeKey(k provider.Keys, id string) (signature.Key, error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	key := signature.Key{ID: id}
	var err error
	if k.Kind == sharedKeys {
		key.Secret, err = written(raw, k.Decode)
		return key, err
	}
	private := ed25519.NewKeyFromSeed(raw)
	if key.Secret, err = written(private[ed25519.SeedSize:], k.Decode); err != nil {
		return key, err
	}
	key.Private, err = written(raw, k.Private)
	return key, err
}

// written undoes the steps that turn a secret's text into its bytes.
func written(raw []byte, steps []provider.Term) ([]byte, error) {
	text := raw
	for _, step := range slices.Backward(steps) {
		switch step.Kind {
		case "base64":
			text = []byte(base64.StdEncoding.EncodeToString(text))
		case "hex", "utf8": // random bytes are no text: their digits are
			text = []byte(hex.EncodeToString(text))
		case "trim_prefix", "require_prefix":
			text = append([]byte(step.Arg), text...)
		default:
			return nil, fmt.Errorf("make a strange key: unknown step %q", step.Kind)
		}
	}
	return text, nil
}
