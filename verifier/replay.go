package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// replayer carries out operators' orders: it loads a kept request and its time of receipt
// itself, judges it by today's configuration at that time, and reports what became of it.
type replayer struct {
	v        *Verifier
	consumer jetstream.Consumer
}

func newReplayer(ctx context.Context, v *Verifier, core jetstream.JetStream) (*replayer, error) {
	c, err := core.Consumer(ctx, v.names.Stream(bus.Replay), bus.ReplayVerifier)
	if err != nil {
		return nil, fmt.Errorf("find the replay orders: %w; was the bus set up?", err)
	}
	return &replayer{v, c}, nil
}

func (r *replayer) run(ctx context.Context) {
	for ctx.Err() == nil {
		batch, err := r.consumer.Fetch(16, jetstream.FetchMaxWait(fetchWait))
		if err != nil {
			pause(ctx)
			continue
		}
		for m := range batch.Messages() {
			if err := r.carryOut(ctx, m); err != nil {
				r.v.log.Warn().Str("cause", err.Error()).Msg("replay order was put back")
				_ = m.NakWithDelay(retryPause)
			}
		}
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(retryPause):
	case <-ctx.Done():
	}
}

// carryOut acknowledges an order only after its report is stored; its id makes every step
// repeatable.
func (r *replayer) carryOut(ctx context.Context, m jetstream.Msg) error {
	var order bus.Order
	if err := json.Unmarshal(m.Data(), &order); err != nil || !bus.ValidToken(order.ID) {
		return m.Term()
	}
	done, err := r.replay(ctx, order)
	if err != nil {
		return err
	}
	done.Order, done.At = order.ID, time.Now().UTC()
	body, err := json.Marshal(done)
	if err != nil {
		return err
	}
	report := &nats.Msg{Subject: r.v.names.ReplayDone(order.ID), Header: nats.Header{bus.MsgID: {"done-" + order.ID}}, Data: body}
	if _, err := r.v.publisher.Publish(ctx, report); err != nil {
		return err
	}
	return m.Ack()
}

// replay judges one kept request. An error means: later; a Done with "failed" is final.
func (r *replayer) replay(ctx context.Context, order bus.Order) (bus.Done, error) {
	d, err := r.load(ctx, order)
	if err != nil {
		return failed(err), nil
	}
	out := r.v.rules.Load().judge(d, r.v.nonces)
	if out.verdict == outcome.Verified {
		refusal, err := r.checkMemory(ctx, d, &out, order.MayDuplicate)
		if err != nil || refusal != nil {
			return failed(refusal), err
		}
	}
	pending, err := r.v.send(d, &out)
	if err != nil {
		return bus.Done{}, err
	}
	if err := r.v.stored(ctx, pending, d, &out); err != nil {
		return bus.Done{}, err
	}
	return bus.Done{Result: out.verdict.String(), Reason: string(out.reason), Detail: out.detail, Seq: out.seq}, nil
}

func failed(err error) bus.Done {
	if err == nil {
		return bus.Done{}
	}
	return bus.Done{Result: "failed", Detail: err.Error()}
}

// load reads the kept request. The delivery is a new one: the order's id is its delivery
// id, and the first one's is its lineage.
func (r *replayer) load(ctx context.Context, order bus.Order) (*delivery, error) {
	reader := map[string]*bus.Reader{"refused": r.v.readers.refused, "quarantine": r.v.readers.quarantine}[order.From]
	if reader == nil {
		return nil, fmt.Errorf("there is nothing to replay in %q", order.From)
	}
	s, err := reader.Get(ctx, order.Seq)
	if err != nil {
		return nil, fmt.Errorf("load %s:%d: %w", order.From, order.Seq, err)
	}
	kept, err := record.ParseKept(s.Data)
	if err != nil {
		return nil, err
	}
	if len(kept.Sealed) == 0 {
		return nil, errors.New("a duplicate keeps no request: its first copy was delivered")
	}
	payload, err := r.v.records.seal.open(first(s, bus.HeaderKeyID), kept.Sealed)
	if err != nil {
		return nil, err
	}
	received, err := time.Parse(time.RFC3339Nano, first(s, bus.HeaderReceived))
	if err != nil {
		return nil, fmt.Errorf("load %s:%d: bad time of receipt", order.From, order.Seq)
	}
	return &delivery{
		source: first(s, bus.HeaderSource), raw: sequence(s, bus.HeaderRaw), received: received,
		id: order.ID, peer: first(s, bus.HeaderPeer), payload: payload, replayOf: first(s, bus.HeaderDelivery),
	}, nil
}

// checkMemory looks for a copy that was delivered meanwhile, by an earlier replay of the same
// request too: its claim carries the same raw sequence, so only the event tells. Where nothing remembers that
// far back, only an operator who accepts a second copy may go on.
func (r *replayer) checkMemory(ctx context.Context, d *delivery, out *decision, mayDuplicate bool) (refusal, err error) {
	claims := out.source.claims()
	if claims {
		if refusal, err := r.claim(ctx, d, out, mayDuplicate); refusal != nil || err != nil || out.verdict != outcome.Verified {
			return refusal, err
		}
	}
	from := d.received.Add(-r.v.rules.Load().lookback)
	m, err := r.v.readers.recall(ctx, bus.LaneOf(d.source), from)
	if err != nil {
		return nil, err
	}
	if o, known := m.nonces[out.nonce]; known {
		if o.delivery != d.id { // else this very order published it, before a crash
			out.repeats(o)
		}
		return nil, nil
	}
	if claims || mayDuplicate || !r.v.outlivedWindow(d.received) {
		return nil, nil
	}
	trimmed, err := r.trimmedSince(ctx, from)
	if err != nil || !trimmed {
		return nil, err
	}
	return fmt.Errorf("received %s ago, further back than what is remembered: replay with --may-duplicate if a second copy does no harm", time.Since(d.received).Round(time.Second)), nil
}

// claim takes the nonce for this delivery, or finds who holds it.
func (r *replayer) claim(ctx context.Context, d *delivery, out *decision, mayDuplicate bool) (refusal, err error) {
	if time.Since(d.received) > out.source.remember && !mayDuplicate {
		return fmt.Errorf("received longer ago than verify.remember (%s): replay with --may-duplicate if a second copy does no harm", out.source.remember), nil
	}
	pending, err := r.v.publisher.Send(claimMsg(r.v.names, d, out))
	if err != nil {
		return nil, err
	}
	held, err := claim{pending}.settle(ctx, r.v.readers.claims, r.v.names, d, out)
	if err == nil && held != nil {
		out.repeats(*held)
	}
	return nil, err
}

// trimmedSince says whether the verified stream no longer reaches back to a moment.
func (r *replayer) trimmedSince(ctx context.Context, from time.Time) (bool, error) {
	info, err := r.v.room.stream.Info(ctx)
	if err != nil {
		return false, err
	}
	return info.State.FirstSeq > 1 && info.State.FirstTime.After(from), nil
}
