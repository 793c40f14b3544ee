package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
)

// A claim is how a source without a signed time remembers a nonce for longer than the
// duplicate window: one message on the nonce's own subject, written only if there is
// none. It holds the raw sequence, so that a crash between the claim and the event
// completes instead of refusing its own delivery.
type claim struct{ pending *bus.Pending }

// claimMsg is the claim of one decision.
func claimMsg(names bus.Names, d *delivery, out *decision) *nats.Msg {
	return &nats.Msg{
		Subject: names.Nonce(d.source, out.nonce),
		Header: nats.Header{
			bus.ExpectedLastSubjSeq: {"0"},
			bus.TTL:                 {out.source.remember.Round(time.Second).String()},
		},
		Data: fmt.Appendf(nil, "%d %s", d.raw, out.digest),
	}
}

// errClaim: the claim's state could not be learnt now.
var errClaim = errors.New("claim a nonce")

// settle waits for the claim. It returns nil when this delivery holds it, or the origin
// that does.
func (c claim) settle(ctx context.Context, claims *bus.Reader, names bus.Names, d *delivery, out *decision) (*origin, error) {
	_, err := c.pending.Wait(ctx)
	if err == nil {
		return nil, nil
	}
	if !errors.Is(err, bus.ErrWrongLastSequence) {
		return nil, fmt.Errorf("%w: %w", errClaim, err)
	}
	held, err := claims.Last(ctx, names.Nonce(d.source, out.nonce))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errClaim, err)
	}
	o, err := parseClaim(held.Data)
	if err != nil {
		return nil, err
	}
	if o.raw == d.raw {
		return nil, nil
	}
	return o, nil
}

func parseClaim(data []byte) (*origin, error) {
	raw, digest, ok := bytes.Cut(data, []byte(" "))
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if !ok || err != nil || len(digest) != 64 {
		return nil, fmt.Errorf("%w: an unreadable claim is stored", errClaim)
	}
	return &origin{raw: n, digest: string(digest)}, nil
}
