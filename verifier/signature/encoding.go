package signature

import (
	"encoding/base64"
	"encoding/hex"
)

// encoding is a strict, injective text form of bytes: each byte string has one text, except that hex_any allows
// either case.
type encoding struct {
	base64 *base64.Encoding // nil for hex
	upper  bool             // hex digits may be upper case
}

var encodings = map[string]encoding{
	"hex":       {},
	"hex_any":   {upper: true},
	"base64":    {base64: base64.StdEncoding},
	"base64url": {base64: base64.URLEncoding},
}

// decode fills dst exactly; false for anything but the text that encode writes.
func (e encoding) decode(dst []byte, text string) bool {
	if e.base64 == nil {
		return decodeHex(dst, text, e.upper)
	}
	return decodeBase64(dst, text, e.base64)
}

func (e encoding) encode(src []byte) string {
	if e.base64 == nil {
		return hex.EncodeToString(src)
	}
	return e.base64.EncodeToString(src)
}

func decodeHex(dst []byte, text string, upper bool) bool {
	if len(text) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := nibble(text[2*i], upper), nibble(text[2*i+1], upper)
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte, upper bool) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case upper && c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// decodeBase64 compares with the canonical text last. That one check refuses every alias of the same bytes: line
// ends inside, which Go's decoder skips even when strict, unused bits that are set, and missing padding.
func decodeBase64(dst []byte, text string, enc *base64.Encoding) bool {
	if len(text) != enc.EncodedLen(len(dst)) {
		return false
	}
	var room [2 * maxSize]byte
	src := append(room[:0], text...)
	var out [maxSize + 2]byte
	n, err := enc.Decode(out[:], src)
	if err != nil || n != len(dst) {
		return false
	}
	copy(dst, out[:n])
	enc.Encode(src, dst)
	return string(src) == text
}
