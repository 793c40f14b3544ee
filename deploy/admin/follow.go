package admin

import (
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

// remembered bounds how many deliveries the follower knows.
const remembered = 8192

// follower remembers the steps of the newest deliveries.
type follower struct {
	// targetsOf names the targets of a source.
	targetsOf func(source string) map[string]bool

	mu      sync.Mutex
	byID    map[string]*trail
	ring    [remembered]string
	at      int
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// trail is what is known of one delivery.
type trail struct {
	source, eventType string
	steps             []api.Step
	verified          uint64 // sequence, 0 when it is not
}

func newFollower(targetsOf func(string) map[string]bool) *follower {
	return &follower{targetsOf: targetsOf, byID: map[string]*trail{}}
}

// see adds an observation; one that is known already changes nothing.
func (f *follower) see(o observation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.byID[o.id]
	if t == nil {
		t = &trail{}
		f.remember(o.id, t)
	}
	if o.source != "" {
		t.source = o.source
	}
	if o.eventType != "" {
		t.eventType = o.eventType
	}
	if o.seq != 0 {
		t.verified = o.seq
	}
	for _, s := range o.steps {
		t.add(s)
	}
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// remember lets the oldest go.
func (f *follower) remember(id string, t *trail) {
	delete(f.byID, f.ring[f.at])
	f.ring[f.at] = id
	f.at = (f.at + 1) % remembered
	f.byID[id] = t
}

func (t *trail) add(s api.Step) {
	same := func(k api.Step) bool {
		return k.Door == s.Door && k.What == s.What && k.Subject == s.Subject && (k.Seq == s.Seq || k.Seq == 0 || s.Seq == 0)
	}
	if slices.ContainsFunc(t.steps, same) || s.What == "passed" && t.answered(s.Subject) {
		return
	}
	t.steps = append(t.steps, s)
	slices.SortStableFunc(t.steps, func(a, b api.Step) int {
		if d := rank[a.Door] - rank[b.Door]; d != 0 {
			return d
		}
		return a.At.Compare(b.At)
	})
}

// rank is the order of the doors on a delivery's way; clocks of several machines may differ.
var rank = map[string]int{"operator": 0, "ingress": 1, "verifier": 2, "dispatcher": 3}

// answered says whether a target has spoken.
func (t *trail) answered(target string) bool {
	return slices.ContainsFunc(t.steps, func(s api.Step) bool { return s.Door == "dispatcher" && s.Subject == target })
}

func (t *trail) has(what string) bool {
	return slices.ContainsFunc(t.steps, func(s api.Step) bool { return s.What == what })
}

// judged says whether the verifier's word is known.
func (t *trail) judged() bool {
	return slices.ContainsFunc(t.steps, func(s api.Step) bool { return s.Door == "verifier" })
}

// known is a copy of what is known of a delivery, what is still awaited, and a channel
// that is closed at the next change of any.
func (f *follower) known(id string) (d api.Delivery, awaited []string, verified *api.Step, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	d = api.Delivery{ID: id, Steps: []api.Step{}}
	t := f.byID[id]
	if t == nil {
		return d, nil, nil, f.changed
	}
	d.Source, d.Type, d.Steps = t.source, t.eventType, slices.Clone(t.steps)
	awaited = f.awaited(t)
	d.Final = t.final() && len(awaited) == 0
	d.OK = d.Final && (t.verified != 0 || t.has("duplicate") || t.has("delivered")) && !t.has("dead")
	if i := slices.IndexFunc(d.Steps, func(s api.Step) bool { return s.What == "verified" }); i >= 0 {
		verified = &d.Steps[i]
	}
	return d, awaited, verified, f.changed
}

// awaited are the targets of a verified event that have not answered.
func (f *follower) awaited(t *trail) []string {
	if t.verified == 0 {
		return nil
	}
	var out []string
	for target := range f.targetsOf(t.source) {
		if !t.answered(target) {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return out
}

// final: the verifier has spoken, or this is the replay of a dead letter, which only a
// target speaks of. A target's word alone is no end: the verifier's may only have been
// missed, and other targets may still be at it.
func (t *trail) final() bool {
	return t.judged() || t.has("replayed") && (t.has("delivered") || t.has("dead"))
}

// settleAfter is how long a target's own word may take to arrive after its
// acknowledgement could be seen.
const settleAfter = 500 * time.Millisecond
