package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/config"
)

// Standard Webhooks 1.0: a secret is 24 to 64 bytes, base64, after this prefix.
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
)

// Signer signs requests as Standard Webhooks 1.0 says, scheme v1 (HMAC-SHA256).
type Signer struct{ key []byte }

// NewSigner reads a secret in the form whsec_<base64>. No error repeats any part of it.
func NewSigner(s config.Secret) (*Signer, error) {
	text, ok := strings.CutPrefix(string(s.Reveal()), secretPrefix)
	if !ok {
		return nil, errors.New("read the signing secret: it must begin with " + secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("read the signing secret: what follows " + secretPrefix + " is not base64")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return nil, fmt.Errorf("read the signing secret: it has %d bytes, and %d to %d are allowed", len(key), minSecret, maxSecret)
	}
	return &Signer{key}, nil
}

// sign sets the three headers. The time is that of the attempt: receivers refuse old ones.
func (s *Signer) sign(h http.Header, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	if s == nil {
		return
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
