package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"
)

// maxNote bounds what an operator may say about a replay, in bytes.
const maxNote = 1000

// replayAct is what the audit keeps of a replay.
type replayAct struct {
	From         string               `json:"from"`
	Filter       *api.DeadLetterQuery `json:"filter,omitempty"`
	Note         string               `json:"note,omitempty"`
	MayDuplicate bool                 `json:"may_duplicate,omitempty"`
	Orders       []api.ReplayOrder    `json:"orders"`
}

// orderReplays writes the audit, and only then orders.
func (a *Admin) orderReplays(w http.ResponseWriter, r *http.Request) error {
	var req api.ReplayRequest
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if err := checkReplay(&req); err != nil {
		return err
	}
	out, err := a.chosen(r.Context(), req)
	if err != nil {
		return err
	}
	if req.DryRun {
		out.DryRun = true
		return writeJSON(w, out)
	}
	for i := range out.Orders {
		out.Orders[i].ID = ulid.Make().String()
	}
	// An operator who hangs up between the audit and the orders changes nothing.
	ctx := context.WithoutCancel(r.Context())
	by := operator(r)
	if err := a.audit.Append(ctx, "replay", by, replayAct{req.From, req.Filter, req.Note, req.MayDuplicate, out.Orders}); err != nil {
		a.settings.Log.Error().Str("cause", err.Error()).Msg("audit could not be written")
		return problem(http.StatusServiceUnavailable, "the audit could not be written, so nothing was ordered", "see the log; a full audit stream needs streams.audit raised")
	}
	if err := a.publishOrders(ctx, req, by, out.Orders); err != nil {
		return err
	}
	return writeJSON(w, out)
}

func checkReplay(req *api.ReplayRequest) error {
	if _, err := streamOf(req.From); err != nil {
		return err
	}
	if (len(req.Seqs) > 0) == (req.Filter != nil) {
		return problem(http.StatusBadRequest, "a replay names either seqs or a filter", "an empty filter {} means every dead letter of that stream")
	}
	if len(req.Seqs) > maxLimit || slices.Contains(req.Seqs, 0) {
		return problem(http.StatusBadRequest, fmt.Sprintf("seqs must be 1 to %d sequences from 1 on", maxLimit), "")
	}
	if len(req.Note) > maxNote {
		return problem(http.StatusBadRequest, "the note is too long", fmt.Sprintf("use at most %d bytes", maxNote))
	}
	slices.Sort(req.Seqs)
	req.Seqs = slices.Compact(req.Seqs)
	if req.Filter == nil {
		return nil
	}
	if req.Filter.From != "" && req.Filter.From != req.From {
		return problem(http.StatusBadRequest, "the filter names another stream than the replay", "")
	}
	req.Filter.From, req.Filter.Limit = req.From, req.Limit
	return checkQuery(req.Filter)
}

// chosen is what a request matches, oldest first, so that replays keep the order.
func (a *Admin) chosen(ctx context.Context, req api.ReplayRequest) (api.Replays, error) {
	out := api.Replays{Orders: []api.ReplayOrder{}}
	if req.Filter != nil {
		if req.Filter.Reason == string(outcome.DuplicateReason) {
			return out, refuseDuplicate("these records are")
		}
		list, err := a.list(ctx, *req.Filter)
		if err != nil {
			return out, err
		}
		for _, row := range slices.Backward(list.Rows) {
			out.Orders = append(out.Orders, api.ReplayOrder{From: req.From, Seq: row.Seq})
		}
		out.Matched = list.Matched
		if out.Matched == 0 {
			return out, problem(http.StatusNotFound, "no dead letter matches", "list them with the same filter")
		}
		return out, nil
	}
	for _, seq := range req.Seqs {
		s, err := a.stored(ctx, req.From, seq)
		if err != nil {
			return out, err
		}
		if first(s.Header, bus.HeaderReason) == string(outcome.DuplicateReason) {
			return out, refuseDuplicate(fmt.Sprintf("%s:%d is", req.From, seq))
		}
		out.Orders = append(out.Orders, api.ReplayOrder{From: req.From, Seq: seq})
	}
	out.Matched = len(out.Orders)
	return out, nil
}

// refuseDuplicate: such a record holds no request, for the first copy was delivered.
func refuseDuplicate(which string) error {
	return problem(http.StatusConflict, which+" the record of a duplicate and can't be replayed", "the first copy was delivered: follow dw-original to its event")
}

// publishOrders sends all and then waits for all.
func (a *Admin) publishOrders(ctx context.Context, req api.ReplayRequest, by string, orders []api.ReplayOrder) error {
	pending := make([]*bus.Pending, 0, len(orders))
	for _, o := range orders {
		body, err := json.Marshal(bus.Order{ID: o.ID, From: o.From, Seq: o.Seq, By: by, Note: req.Note, MayDuplicate: req.MayDuplicate})
		if err != nil {
			return err
		}
		p, err := a.out.Send(&nats.Msg{Subject: a.names.ReplayOrder(o.From, o.ID), Header: nats.Header{bus.MsgID: {o.ID}}, Data: body})
		if err != nil {
			return err
		}
		pending = append(pending, p)
	}
	for i, p := range pending {
		if _, err := p.Wait(ctx); err != nil {
			return errors.Join(fmt.Errorf("order replay %s: %w", orders[i].ID, err), problem(http.StatusServiceUnavailable,
				fmt.Sprintf("%d of %d replays were ordered, then the bus stopped answering", i, len(orders)), "the audit names every order; ask for each before you order again"))
		}
	}
	return nil
}

// replay answers with what became of an order, waiting for it when asked to.
func (a *Admin) replay(w http.ResponseWriter, r *http.Request) error {
	id, err := ulid.ParseStrict(r.PathValue("id"))
	if err != nil {
		return problem(http.StatusBadRequest, "a replay's id is a ULID", "take it from the answer to the order")
	}
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	if err := a.ordered(r.Context(), id.String()); err != nil {
		return err
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		out, err := a.done(r.Context(), id.String())
		if err != nil {
			return err
		}
		if !out.Pending || wait == 0 {
			return writeJSON(w, out)
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			wait = 0 // look once more
		case <-a.stopping:
			wait = 0
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// ordered is a not-found problem when nobody ordered that.
func (a *Admin) ordered(ctx context.Context, id string) error {
	for _, k := range kept {
		_, err := a.bus.reader(bus.Replay).Last(ctx, a.names.ReplayOrder(k.from, id))
		if !errors.Is(err, bus.ErrNotFound) {
			return err
		}
	}
	return problem(http.StatusNotFound, "no such replay was ordered", "orders are kept for 30 days")
}

func (a *Admin) done(ctx context.Context, id string) (api.Replay, error) {
	s, err := a.bus.reader(bus.Replay).Last(ctx, a.names.ReplayDone(id))
	if errors.Is(err, bus.ErrNotFound) {
		return api.Replay{ID: id, Pending: true}, nil
	}
	if err != nil {
		return api.Replay{}, err
	}
	var d bus.Done
	if err := json.Unmarshal(s.Data, &d); err != nil {
		return api.Replay{}, fmt.Errorf("read what became of replay %s: %w", id, err)
	}
	return api.Replay{ID: id, Result: d.Result, Reason: d.Reason, Fix: outcome.Reason(d.Reason).Fix(), Detail: d.Detail, Seq: d.Seq, At: d.At}, nil
}
