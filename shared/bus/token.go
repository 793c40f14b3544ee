package bus

import (
	"strings"
)

// Limits of what may become part of a subject. A subject over 4 KiB makes the server
// close the connection for good, so nothing near that can be built.
const (
	maxToken  = 64
	maxTokens = 8
)

// OtherType is the one token for an event type that cannot be made safe.
const OtherType = "_other"

// ValidToken says whether s is a subject token as it stands: [A-Za-z0-9_-]{1,64}.
func ValidToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if !plain(s[i]) {
			return false
		}
	}
	return true
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

const upperHex = "0123456789ABCDEF"

// EncodeToken makes a subject token of any value, injectively: bytes outside
// [A-Za-z0-9_-] become =XX, so two values never meet on one subject. The empty
// value becomes "=". ok is false when the token would exceed 192 bytes.
func EncodeToken(value string) (token string, ok bool) {
	if value == "" {
		return "=", true
	}
	if ValidToken(value) {
		return value, true
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String(), b.Len() <= 3*maxToken
}

// TypeTokens makes the trailing subject tokens of an event type: its dots separate
// tokens. A type that is not 1–8 tokens of [A-Za-z0-9_-]{1,64} becomes OtherType;
// the exact type stays in the event.
func TypeTokens(eventType string) string {
	if len(eventType) > maxToken*4 {
		return OtherType
	}
	rest, more := eventType, true
	for n := 0; more; n++ {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if n == maxTokens || !ValidToken(token) {
			return OtherType
		}
	}
	return eventType
}
