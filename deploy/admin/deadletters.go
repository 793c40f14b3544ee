package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/record"
)

// Limits of a list.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// kept is where dead letters come from, in the order in which all are listed.
var kept = []struct {
	from   string
	stream bus.Stream
}{{api.FromDead, bus.Dead}, {api.FromRefused, bus.Refused}, {api.FromQuarantine, bus.Quarantine}}

func streamOf(from string) (bus.Stream, error) {
	for _, k := range kept {
		if k.from == from {
			return k.stream, nil
		}
	}
	return "", problem(http.StatusBadRequest, "from must be dead, refused or quarantine", "")
}

func (a *Admin) deadLetters(w http.ResponseWriter, r *http.Request) error {
	q, err := queryOf(r)
	if err != nil {
		return err
	}
	list, err := a.list(r.Context(), q)
	if err != nil {
		return err
	}
	return writeJSON(w, list)
}

func queryOf(r *http.Request) (api.DeadLetterQuery, error) {
	v := r.URL.Query()
	q := api.DeadLetterQuery{From: v.Get("from"), Source: v.Get("source"), Target: v.Get("target"), Reason: v.Get("reason")}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			return q, problem(http.StatusBadRequest, "limit must be a number", "")
		}
		q.Limit = n
	}
	if s := v.Get("since"); s != "" {
		if d, err := time.ParseDuration(s); err == nil && d >= 0 {
			q.Since = time.Now().Add(-d)
		} else if q.Since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return q, problem(http.StatusBadRequest, "since must be a time or a duration", "write it like 2h or 2026-11-21T10:00:00Z")
		}
	}
	return q, checkQuery(&q)
}

// checkQuery refuses what could not match anything by mistake, and fills in the limit.
// Every value may become part of a subject filter, so it must be one token.
func checkQuery(q *api.DeadLetterQuery) error {
	if q.From != "" {
		if _, err := streamOf(q.From); err != nil {
			return err
		}
	}
	for name, v := range map[string]string{"source": q.Source, "target": q.Target} {
		if v != "" && !bus.ValidToken(v) {
			return problem(http.StatusBadRequest, name+" is not a name", "")
		}
	}
	if q.Reason != "" && !outcome.Known(outcome.Reason(q.Reason)) {
		return problem(http.StatusBadRequest, "there is no such reason", "`doorward dlq ls` shows those there are")
	}
	if q.Limit < 0 || q.Limit > maxLimit {
		return problem(http.StatusBadRequest, fmt.Sprintf("limit must be 1 to %d", maxLimit), "")
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	return nil
}

// list reads the streams oldest first, as they can be read, and keeps the newest rows.
func (a *Admin) list(ctx context.Context, q api.DeadLetterQuery) (api.DeadLetters, error) {
	out := api.DeadLetters{Rows: []api.DeadLetter{}, Reasons: []api.ReasonNumber{}}
	reasons := map[string]int{}
	for _, k := range kept {
		if q.From != "" && q.From != k.from || q.Target != "" && k.from != api.FromDead {
			continue
		}
		newest := tail{limit: q.Limit}
		err := a.bus.reader(k.stream).Scan(ctx, bus.From{Time: q.Since, Subject: a.filter(k.from, q)}, func(s *bus.Stored) error {
			row := rowOf(k.from, s)
			if wants(q, row) {
				newest.add(row)
				reasons[row.Reason]++
			}
			return nil
		})
		if err != nil {
			return out, err
		}
		out.Matched += newest.seen
		out.Rows = append(out.Rows, newest.rows...)
	}
	slices.SortStableFunc(out.Rows, func(a, b api.DeadLetter) int { return b.At.Compare(a.At) })
	out.Rows = out.Rows[:min(len(out.Rows), q.Limit)]
	out.Reasons = ranked(reasons)
	return out, nil
}

// tail keeps the newest rows of a scan in at most twice the room.
type tail struct {
	limit, seen int
	rows        []api.DeadLetter
}

func (t *tail) add(row api.DeadLetter) {
	t.seen++
	t.rows = append(t.rows, row)
	if len(t.rows) >= 2*t.limit {
		t.rows = append(t.rows[:0], t.rows[len(t.rows)-t.limit:]...)
	}
}

func ranked(reasons map[string]int) []api.ReasonNumber {
	out := make([]api.ReasonNumber, 0, len(reasons))
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		out = append(out, api.ReasonNumber{Reason: r, Count: reasons[r]})
	}
	slices.SortStableFunc(out, func(a, b api.ReasonNumber) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

// filter narrows the scan by what stands in the subject.
func (a *Admin) filter(from string, q api.DeadLetterQuery) string {
	first, second := "*", "*"
	if q.Reason != "" {
		second = q.Reason
	}
	switch from {
	case api.FromDead:
		if q.Target != "" {
			first = q.Target
		}
		return a.names.Dead(first, second)
	case api.FromRefused:
		if q.Source != "" {
			first = q.Source
		}
		return a.names.Refused(first, second)
	}
	if q.Source != "" {
		first = q.Source
	}
	return a.names.Quarantine(first, second)
}

// wants matches what a subject does not say. Duplicates are no dead letters: they are
// listed only when asked for.
func wants(q api.DeadLetterQuery, row api.DeadLetter) bool {
	if q.Source != "" && row.Source != q.Source {
		return false
	}
	return row.Reason != string(outcome.DuplicateReason) || q.Reason == row.Reason
}

func rowOf(from string, s *bus.Stored) api.DeadLetter {
	reason := outcome.Reason(first(s.Header, bus.HeaderReason))
	row := api.DeadLetter{
		ID: from + ":" + strconv.FormatUint(s.Seq, 10), From: from, Seq: s.Seq, At: s.Time, AgeSeconds: max(0, time.Since(s.Time).Seconds()),
		Source: first(s.Header, bus.HeaderSource), Stage: "verifier", Reason: string(reason), Attempts: 1,
		Delivery: first(s.Header, bus.HeaderDelivery), Detail: first(s.Header, bus.HeaderDetail), Fix: reason.Fix(),
	}
	if from == api.FromDead {
		row.Stage, row.Target, row.Source, row.Type = "dispatcher", first(s.Header, bus.HeaderTarget), attribute(s.Header, "dwsource"), attribute(s.Header, "type")
		row.Attempts, _ = strconv.Atoi(first(s.Header, bus.HeaderAttempts))
	}
	return row
}

func (a *Admin) deadLetter(w http.ResponseWriter, r *http.Request) error {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return problem(http.StatusBadRequest, "a dead letter is named by its stream and sequence", "take both from the list")
	}
	s, err := a.stored(r.Context(), r.PathValue("from"), seq)
	if err != nil {
		return err
	}
	return writeJSON(w, detailOf(r.PathValue("from"), s))
}

// stored reads one dead letter, or says that it is not there.
func (a *Admin) stored(ctx context.Context, from string, seq uint64) (*bus.Stored, error) {
	stream, err := streamOf(from)
	if err != nil {
		return nil, err
	}
	s, err := a.bus.reader(stream).Get(ctx, seq)
	if errors.Is(err, bus.ErrNotFound) {
		return nil, problem(http.StatusNotFound, fmt.Sprintf("%s:%d is not kept", from, seq), "it was never there, or a limit of the stream has removed it")
	}
	return s, err
}

func detailOf(from string, s *bus.Stored) api.DeadLetterDetail {
	out := api.DeadLetterDetail{
		DeadLetter: rowOf(from, s), Peer: first(s.Header, bus.HeaderPeer), Digest: first(s.Header, bus.HeaderDigest), SealKey: first(s.Header, bus.HeaderKeyID),
		Lineage: api.Lineage{Raw: number(first(s.Header, bus.HeaderRaw)), Original: number(first(s.Header, bus.HeaderOriginal)), ReplayOf: first(s.Header, bus.HeaderReplayOf)},
	}
	if from == api.FromDead {
		deadDetail(&out, s)
		return out
	}
	out.Received, _ = time.Parse(time.RFC3339Nano, first(s.Header, bus.HeaderReceived))
	if k, err := record.ParseKept(s.Data); err == nil {
		out.View = strings.ToValidUTF8(string(k.View), "\uFFFD")
	}
	return out
}

func deadDetail(out *api.DeadLetterDetail, s *bus.Stored) {
	out.Attributes = map[string]string{}
	for name := range s.Header {
		if attr, ok := strings.CutPrefix(name, "ce-"); ok {
			out.Attributes[attr] = attribute(s.Header, attr)
		}
	}
	out.Received, _ = time.Parse(time.RFC3339Nano, out.Attributes["recordedtime"])
	out.Digest = cmp.Or(out.Digest, out.Attributes["dwdigest"])
	out.Lineage.Raw, out.Lineage.Event = number(out.Attributes["dwraw"]), number(first(s.Header, bus.HeaderEvent))
	out.Lineage.ReplayOf = cmp.Or(out.Lineage.ReplayOf, out.Attributes["dwreplayof"])
	out.Data = s.Data
	if e := (event.Event{DataContentType: out.Attributes["datacontenttype"]}); e.JSON() && json.Valid(s.Data) {
		out.JSON = s.Data
	}
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
