package program

import "os"

// ballastSize is what the collector counts as live memory beyond what is, in bytes.
const ballastSize = 128 << 20

// newBallast keeps the collector from running all the time while the heap is small: with
// a few live megabytes and many short-lived ones it would collect dozens of times a second.
// Nothing ever touches the ballast, so it costs address space and no memory; the garbage
// that it lets stand is bounded by its own size, whatever the heap. Who sets GOGC or
// GOMEMLIMIT has decided otherwise.
func newBallast() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, ballastSize)
}
