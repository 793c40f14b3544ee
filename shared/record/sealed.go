package record

import (
	"encoding/binary"
	"fmt"
)

// Kept is how the refused and quarantine streams keep a request: a redacted view that
// operators may read, and the whole request sealed to the verifier's key.
type Kept struct {
	View   []byte // a redacted record; empty for a duplicate
	Sealed []byte // HPKE ciphertext of the whole record; empty for a duplicate
}

// Append writes k to dst: the view's length in four bytes, the view, the ciphertext.
func (k Kept) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(k.View)))
	return append(append(dst, k.View...), k.Sealed...)
}

// ParseKept reads what Append wrote; the result aliases data.
func ParseKept(data []byte) (Kept, error) {
	if len(data) < 4 {
		return Kept{}, fmt.Errorf("%w: %d bytes kept", ErrMalformed, len(data))
	}
	n := binary.BigEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) {
		return Kept{}, fmt.Errorf("%w: view of %d bytes in %d", ErrMalformed, n, len(data))
	}
	return Kept{View: data[4 : 4+n], Sealed: data[4+n:]}, nil
}
