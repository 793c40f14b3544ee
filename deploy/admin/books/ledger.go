package books

import (
	"math/bits"

	"github.com/doorward/doorward/deploy/admin/api"
)

// bitmap is a set of sequences in (base, base+64*len].
type bitmap struct {
	base  uint64
	words []uint64
}

func newBitmap(base, last uint64) bitmap {
	return bitmap{base, make([]uint64, (last-base+63)/64)}
}

// add puts seq in and says whether it was in already.
func (b bitmap) add(seq uint64) bool {
	i := seq - b.base - 1
	was := b.words[i/64]&(1<<(i%64)) != 0
	b.words[i/64] |= 1 << (i % 64)
	return was
}

func (b bitmap) remove(seq uint64) {
	i := seq - b.base - 1
	b.words[i/64] &^= 1 << (i % 64)
}

func (b bitmap) has(seq uint64) bool {
	i := seq - b.base - 1
	return b.words[i/64]&(1<<(i%64)) != 0
}

func (b bitmap) count() uint64 {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return uint64(n)
}

// named bounds how many sequences a report names.
const named = 1000

// ledger compares raw sequences in (floor, last] with outcomes. Everything at or below
// floor was balanced by an earlier run.
type ledger struct {
	floor, last uint64
	// settled is the last sequence below which nothing was pending at the checkpoint.
	settled uint64
	pending bitmap
	seen    bitmap
	twice   bitmap
	// late are outcomes of sequences that an earlier run had balanced already.
	late []uint64
}

// RawState is what the raw stream held at the checkpoint: everything in [First, Last]
// but Gone was pending; First is Last+1 when the stream was empty.
type RawState struct {
	First, Last uint64
	Gone        []uint64
}

func newLedger(floor uint64, raw RawState) *ledger {
	l := &ledger{floor: floor, last: raw.Last, settled: min(raw.First-1, raw.Last)}
	l.pending, l.seen, l.twice = newBitmap(floor, raw.Last), newBitmap(floor, raw.Last), newBitmap(floor, raw.Last)
	for seq := max(raw.First, floor+1); seq <= raw.Last; seq++ {
		l.pending.add(seq)
	}
	for _, seq := range raw.Gone {
		if seq > floor && seq <= raw.Last {
			l.pending.remove(seq)
		}
	}
	return l
}

// settle enters one outcome and says whether it counts: outcomes beyond the checkpoint
// belong to a later run.
func (l *ledger) settle(raw uint64) bool {
	if raw <= l.floor || raw > l.last {
		return false
	}
	if l.seen.add(raw) {
		l.twice.add(raw)
	}
	return true
}

// again enters an outcome of a sequence that had its one outcome in an earlier run.
func (l *ledger) again(raw uint64) { l.late = append(l.late, raw) }

// report fills in what the sets say.
func (l *ledger) report(r *api.Books) {
	r.Checkpoint, r.Since = l.last, l.floor
	r.Missing, r.Doubled = []uint64{}, append([]uint64{}, l.late[:min(len(l.late), named)]...)
	r.DoubledCount = l.twice.count() + uint64(len(l.late))
	for seq := l.floor + 1; seq <= l.last; seq++ {
		if l.twice.has(seq) && len(r.Doubled) < named {
			r.Doubled = append(r.Doubled, seq)
		}
		switch {
		case l.seen.has(seq):
		case l.pending.has(seq):
			r.Counts.Pending++
		default:
			r.MissingCount++
			if len(r.Missing) < named {
				r.Missing = append(r.Missing, seq)
			}
		}
	}
}

// missing counts the missing up to and including last.
func (l *ledger) missing(last uint64) uint64 {
	n := uint64(0)
	for seq := l.floor + 1; seq <= last; seq++ {
		if !l.seen.has(seq) && !l.pending.has(seq) {
			n++
		}
	}
	return n
}
