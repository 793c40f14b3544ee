package books

import (
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

// place is an outcome stream.
type place int

const (
	verified place = iota
	refused
	quarantine
	streams = 3
)

// Outcome is one record as the books see it.
type Outcome struct {
	Seq uint64 // in its stream
	Raw uint64 // 0 when the record carries none that can be read
	// Replay marks the outcome of a replay: it is counted, and no part of the balance.
	Replay bool
	// Duplicate marks a refusal that says "known already".
	Duplicate bool
}

// run is one comparison.
type run struct {
	begin  Checkpoint
	ledger *ledger
	marks  [streams]mark
	// counts are those of this run; settled those at or below the ledger's settled mark.
	counts, settled           api.BooksCounts
	replayed, settledReplayed api.BooksCounts
	unmarked                  uint64
}

// mark follows one outcome stream.
type mark struct {
	read    uint64 // last sequence seen
	evicted uint64
	// held is the last sequence before the first outcome above the settled mark.
	held    uint64
	stopped bool
}

func newRun(begin Checkpoint, raw RawState) *run {
	r := &run{begin: begin, ledger: newLedger(begin.Raw, raw)}
	for i, m := range begin.marks() {
		r.marks[i].read, r.marks[i].held = m.Seq, m.Seq
	}
	return r
}

// enter takes the next outcome of a stream, in the stream's order.
func (r *run) enter(p place, o Outcome) {
	m := &r.marks[p]
	r.gap(p, o.Seq)
	m.read = o.Seq
	if o.Raw > r.ledger.settled && !o.Replay {
		m.stopped = true
	}
	if !m.stopped {
		m.held = o.Seq
	}
	switch {
	case o.Replay:
		r.replay(p, o, m.stopped)
	case o.Raw == 0:
		r.unmarked++
	case o.Raw <= r.ledger.floor:
		if o.Seq > r.begin.marks()[p].Read {
			r.ledger.again(o.Raw)
		}
	case r.ledger.settle(o.Raw):
		count(&r.counts, p, o)
		if o.Raw <= r.ledger.settled {
			count(&r.settled, p, o)
		}
	}
}

// replay counts a replay's outcome; behind a held mark the next run counts it again.
func (r *run) replay(p place, o Outcome, stopped bool) {
	count(&r.replayed, p, o)
	if !stopped {
		count(&r.settledReplayed, p, o)
	}
}

func count(c *api.BooksCounts, p place, o Outcome) {
	switch {
	case p == verified:
		c.Verified++
	case p == quarantine:
		c.Quarantined++
	case o.Duplicate:
		c.Duplicate++
	default:
		c.Refused++
	}
}

// gap counts the records that are gone before next. The mark does not pass them while they
// may have answered for a raw message above the settled mark: the next run needs them to
// explain what it misses. A gap that the run before had read over can only be about what
// it compared.
func (r *run) gap(p place, next uint64) {
	m := &r.marks[p]
	if next == m.read+1 {
		return
	}
	m.evicted += next - m.read - 1
	known := next-1 <= r.begin.marks()[p].Read && r.ledger.settled >= r.begin.Compared
	if !known && r.ledger.settled < r.ledger.last {
		m.stopped = true
	}
}

// end closes a stream at its last sequence: what was not seen up to there is gone.
func (r *run) end(p place, last uint64) {
	m := &r.marks[p]
	if last > m.read {
		r.gap(p, last+1)
		m.read = last
	}
	if !m.stopped {
		m.held = m.read
	}
}

// close makes the report, and the checkpoint that a balanced run leaves.
func (r *run) close() (api.Books, Checkpoint) {
	out := api.Books{At: time.Now().UTC(), Unmarked: r.unmarked}
	r.ledger.report(&out)
	pending := out.Counts.Pending
	out.Evicted = api.Evicted{Verified: r.marks[verified].evicted, Refused: r.marks[refused].evicted, Quarantine: r.marks[quarantine].evicted}
	out.UnaccountedByEviction = unaccounted(&out)
	out.Counts = sum(r.begin.Counts, r.counts)
	out.Counts.Raw, out.Counts.Pending = r.ledger.last, pending
	out.Counts.Unaccounted += out.UnaccountedByEviction
	out.Replayed = sum(r.begin.Replayed, r.replayed)
	judge(&out)
	return out, r.checkpoint(out.At)
}

// unaccounted: evicted records may explain as many missing ones as there are evicted;
// which, nobody can say any more.
func unaccounted(r *api.Books) uint64 {
	return min(r.MissingCount, r.Evicted.Verified+r.Evicted.Refused+r.Evicted.Quarantine)
}

// judge says what the numbers mean.
func judge(r *api.Books) {
	switch {
	case r.MissingCount > r.UnaccountedByEviction || r.DoubledCount > 0 || r.Unmarked > 0:
		r.State = api.Unbalanced
	case r.MissingCount > 0:
		r.State = api.Incomplete
	default:
		r.State = api.Balanced
	}
	r.Balanced = r.State == api.Balanced
}

func (r *run) checkpoint(at time.Time) Checkpoint {
	c := Checkpoint{At: at, Raw: max(r.ledger.settled, r.ledger.floor), Counts: sum(r.begin.Counts, r.settled), Replayed: sum(r.begin.Replayed, r.settledReplayed)}
	for i, m := range c.marks() {
		m.Seq, m.Read = r.marks[i].held, r.marks[i].read
	}
	c.Compared, c.Counts.Raw = r.ledger.last, c.Raw
	c.Counts.Unaccounted += r.ledger.missing(c.Raw)
	return c
}

func sum(a, b api.BooksCounts) api.BooksCounts {
	return api.BooksCounts{
		Verified: a.Verified + b.Verified, Duplicate: a.Duplicate + b.Duplicate,
		Refused: a.Refused + b.Refused, Quarantined: a.Quarantined + b.Quarantined,
		Unaccounted: a.Unaccounted + b.Unaccounted,
	}
}
