package books

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/deploy/admin/api"
	"pgregory.net/rapid"
)

// world is what the streams hold, made by hand.
type world struct {
	raw      RawState
	outcomes [streams][]Outcome // ascending Seq, gaps where evicted
	ends     [streams]uint64
}

func (w *world) add(p place, o Outcome) {
	w.ends[p]++
	o.Seq = w.ends[p]
	w.outcomes[p] = append(w.outcomes[p], o)
}

// balance is what Books.run does with real streams.
func (w *world) balance(begin Checkpoint) (api.Books, Checkpoint) {
	r := newRun(begin, w.raw)
	for p := range place(streams) {
		for _, o := range w.outcomes[p] {
			if o.Seq > r.marks[p].read {
				r.enter(p, o)
			}
		}
		r.end(p, w.ends[p])
	}
	return r.close()
}

// setRaw makes the raw state of a stream whose last sequence is last and which still holds pending.
func (w *world) setRaw(last uint64, pending map[uint64]bool) {
	w.raw = RawState{First: last + 1, Last: last}
	for seq := last; seq >= 1; seq-- {
		if pending[seq] {
			w.raw.First = seq
		}
	}
	w.raw.Gone = nil
	for seq := w.raw.First; seq <= last; seq++ {
		if !pending[seq] {
			w.raw.Gone = append(w.raw.Gone, seq)
		}
	}
}

func drawOutcome(t *rapid.T, raw uint64) (place, Outcome) {
	p := place(rapid.IntRange(0, streams-1).Draw(t, "stream"))
	return p, Outcome{Raw: raw, Duplicate: p == refused && rapid.Bool().Draw(t, "duplicate")}
}

func TestBooksNameExactlyWhatIsMissingAndDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w world
		last := rapid.Uint64Range(0, 150).Draw(t, "last")
		pending := map[uint64]bool{}
		missing, doubled := []uint64{}, []uint64{}
		waiting := uint64(0)
		var queue []uint64
		for seq := uint64(1); seq <= last; seq++ {
			switch rapid.IntRange(0, 9).Draw(t, "fate") {
			case 0:
				pending[seq] = true
				waiting++
			case 1:
				pending[seq] = true
				queue = append(queue, seq)
			case 2:
				missing = append(missing, seq)
			case 3:
				queue = append(queue, seq, seq)
				doubled = append(doubled, seq)
			default:
				queue = append(queue, seq)
			}
		}
		queue = append(queue, last+1, last+7) // arrived after the checkpoint
		for _, raw := range rapid.Permutation(queue).Draw(t, "order") {
			p, o := drawOutcome(t, raw)
			w.add(p, o)
			if rapid.IntRange(0, 4).Draw(t, "replay") == 0 {
				w.add(p, Outcome{Raw: raw, Replay: true})
			}
		}
		w.setRaw(last, pending)
		got, _ := w.balance(Checkpoint{})
		if !slices.Equal(got.Missing, missing) || !slices.Equal(got.Doubled, doubled) {
			t.Fatalf("missing %v doubled %v, want %v and %v", got.Missing, got.Doubled, missing, doubled)
		}
		if got.Counts.Pending != waiting || got.Counts.Raw != last {
			t.Fatalf("counts %+v, want %d pending of %d", got.Counts, waiting, last)
		}
		if want := len(missing)+len(doubled) == 0; got.Balanced != want {
			t.Fatalf("balanced %v, want %v: %+v", got.Balanced, want, got)
		}
	})
}

func total(c api.BooksCounts) uint64 {
	return c.Verified + c.Duplicate + c.Refused + c.Quarantined + c.Pending + c.Unaccounted
}

// TestBooksGoOnFromACheckpoint: however the work is cut into runs, the last report says
// what one full run says.
func TestBooksGoOnFromACheckpoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w world
		var last uint64
		pending := map[uint64]bool{}
		var cp Checkpoint
		for range rapid.IntRange(1, 5).Draw(t, "runs") {
			last += rapid.Uint64Range(0, 40).Draw(t, "more")
			for seq := uint64(1); seq <= last; seq++ {
				settled := seq <= w.raw.Last && !pending[seq]
				if settled {
					continue
				}
				pending[seq] = rapid.IntRange(0, 3).Draw(t, "stays") == 0
				if !pending[seq] {
					p, o := drawOutcome(t, seq)
					w.add(p, o)
				}
			}
			w.setRaw(last, pending)
			got, next := w.balance(cp)
			full, _ := w.balance(Checkpoint{})
			if !got.Balanced || !full.Balanced || got.Counts != full.Counts || total(got.Counts) != last {
				t.Fatalf("continued %+v, full %+v", got, full)
			}
			if next.Raw < cp.Raw {
				t.Fatalf("the checkpoint went back from %d to %d", cp.Raw, next.Raw)
			}
			cp = next
		}
		if last == 0 || cp.Raw == 0 {
			return
		}
		// A second outcome of what the checkpoint vouches for is still found.
		w.add(quarantine, Outcome{Raw: cp.Raw})
		if got, _ := w.balance(cp); got.State != api.Unbalanced || !slices.Equal(got.Doubled, []uint64{cp.Raw}) {
			t.Fatalf("a late second outcome of %d: %+v", cp.Raw, got)
		}
	})
}

// TestEvictedIsNeverBalanced: records that limits took are said, each time and in total.
func TestEvictedIsNeverBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w world
		var last, lost uint64
		var cp Checkpoint
		pending := map[uint64]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			from := last
			last += rapid.Uint64Range(1, 30).Draw(t, "more")
			for seq := uint64(1); seq <= last; seq++ {
				if seq <= from && !pending[seq] {
					continue
				}
				pending[seq] = rapid.IntRange(0, 4).Draw(t, "stays") == 0
				if pending[seq] {
					continue
				}
				w.add(quarantine, Outcome{Raw: seq})
				if rapid.IntRange(0, 3).Draw(t, "evicted") == 0 {
					lost++
					w.outcomes[quarantine] = w.outcomes[quarantine][:len(w.outcomes[quarantine])-1]
				}
			}
			w.setRaw(last, pending)
			got, next := w.balance(cp)
			if got.State == api.Unbalanced {
				t.Fatalf("eviction explains all, got %+v after %+v", got, cp)
			}
			if got.Counts.Unaccounted != lost || total(got.Counts) != last {
				t.Fatalf("unaccounted %d of %d, want %d: %+v", got.Counts.Unaccounted, last, lost, got)
			}
			cp = next
		}
		// What no eviction explains is missing all the same.
		before, _ := w.balance(cp)
		w.setRaw(last+uint64(w.ends[quarantine])+1, pending)
		if got, _ := w.balance(cp); got.State != api.Unbalanced && got.MissingCount <= before.MissingCount {
			t.Fatalf("a loss without an eviction: %+v", got)
		}
	})
}

func TestUnmarkedUnbalances(t *testing.T) {
	var w world
	w.add(verified, Outcome{Raw: 1})
	w.setRaw(1, nil)
	if got, _ := w.balance(Checkpoint{}); !got.Balanced {
		t.Fatalf("the good twin: %+v", got)
	}
	w.add(verified, Outcome{})
	if got, _ := w.balance(Checkpoint{}); got.Balanced || got.Unmarked != 1 {
		t.Errorf("an outcome without a raw sequence: %+v", got)
	}
}

// TestTheMarkPassesAnOldGap: in a system that always has work pending, a gap holds the mark
// for one run and not for ever.
func TestTheMarkPassesAnOldGap(t *testing.T) {
	var w world
	var cp Checkpoint
	for raw := range uint64(4) {
		w.add(quarantine, Outcome{Raw: raw + 1})
	}
	w.outcomes[quarantine] = w.outcomes[quarantine][2:] // two evicted
	w.setRaw(5, map[uint64]bool{5: true})
	_, cp = w.balance(cp)
	if cp.Quarantine.Seq != 0 || cp.Counts.Unaccounted != 2 {
		t.Fatalf("the first run left %+v, want its mark before the gap", cp)
	}
	for raw := uint64(5); raw <= 7; raw++ {
		w.add(quarantine, Outcome{Raw: raw})
	}
	w.setRaw(9, map[uint64]bool{8: true, 9: true})
	got, cp := w.balance(cp)
	if !got.Balanced || cp.Quarantine.Seq != w.ends[quarantine] {
		t.Errorf("the second run says %+v and left %+v, want its mark at %d", got, cp, w.ends[quarantine])
	}
}
