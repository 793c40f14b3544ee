package ingress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/record"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"
)

// Memory for requests under way. Below handy, a body needs no permission: that much times
// maxInFlight is always there.
const (
	handy       = 32 << 10
	maxBuffered = 256 << 20
	maxInFlight = 4096
)

// parcel is the message that one request becomes. It is used again: the publisher copies
// it before Send returns.
type parcel struct {
	msg      nats.Msg
	delivery [1]string
	peer     [1]string
	taken    int64 // of the door's memory, in bytes
}

func newParcel() *parcel {
	p := &parcel{}
	p.msg.Data = make([]byte, 0, 4<<10)
	p.msg.Header = nats.Header{
		bus.HeaderDelivery: p.delivery[:],
		bus.HeaderPeer:     p.peer[:],
		bus.HeaderTLS:      {"none"},
	}
	return p
}

// fill writes the raw record of r, reading the body straight behind the head.
func (p *parcel) fill(w http.ResponseWriter, r *http.Request, a arrival, m *memory) (size int, err error) {
	rec := record.FromHTTP(r, nil)
	head := rec.Append(p.msg.Data[:0])
	p.msg.Subject = a.source.subject
	p.peer[0] = peerText(a.peer)
	body := r.Body
	if r.ContentLength < 0 {
		body = http.MaxBytesReader(w, body, a.source.limit)
	}
	p.msg.Data, err = p.read(head, body, r.ContentLength, m)
	return len(p.msg.Data) - len(head), err
}

// read appends the body to dst. Room is made for what arrives, never for what a length
// promises beyond a handy first piece.
func (p *parcel) read(dst []byte, body io.Reader, length int64, m *memory) ([]byte, error) {
	end := int64(len(dst)) + length
	dst = slices.Grow(dst, int(max(512, min(length, handy))))
	for {
		if len(dst) == cap(dst) {
			more := int64(cap(dst))
			if length > 0 {
				more = max(512, min(more, end-more))
			}
			if !m.take(more) {
				return dst, overloaded
			}
			p.taken += more
			dst = slices.Grow(dst, int(more))
		}
		n, err := body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, bodyRefusal(err)
		}
	}
}

func bodyRefusal(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return bodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow
	}
	return fmt.Errorf("%w: %w", malformed, err)
}

// release gives p back. A buffer that grew large is left to the collector.
func (d *Door) release(p *parcel) {
	d.memory.free.Add(p.taken)
	p.taken = 0
	if cap(p.msg.Data) <= 2*handy {
		d.parcels.Put(p)
	}
}

// memory bounds what bodies under way may take together, in bytes.
type memory struct{ free atomic.Int64 }

func (m *memory) take(n int64) bool {
	if m.free.Add(-n) >= 0 {
		return true
	}
	m.free.Add(n)
	return false
}

// newID is a ULID: unique, sortable by time, and not secret.
func newID(now time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(now))
	random := rand.Uint64()
	binary.BigEndian.PutUint16(id[6:], uint16(rand.Uint32()))
	binary.BigEndian.PutUint64(id[8:], random)
	return id.String()
}
