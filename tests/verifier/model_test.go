package verifier_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMain lowers the number of runs: each has a NATS server of its own. A flag on the
// command line counts more.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("rapid.checks").Value.String() == flag.Lookup("rapid.checks").DefValue {
		_ = flag.Set("rapid.checks", "5")
	}
	m.Run()
}

// model is what must come out of a run: each raw sequence with its outcome.
type model struct {
	want map[uint64]string
	// first is the raw sequence of the first genuine delivery of an id, by source.
	first map[string]uint64
}

// TestGuardAgainstAModel posts genuine, doubled, altered and forged requests of sources
// with and without a signed time, in any order, while the verifier stops and starts, and
// compares every outcome with a model of a dozen lines.
func TestGuardAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGuard(t, agentsSource+githubSource)
		stop := g.start()
		m := model{map[uint64]string{}, map[string]uint64{}}
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			if rapid.IntRange(0, 19).Draw(rt, "restart") == 0 {
				stop()
				stop = g.start()
			}
			m.step(rt, g)
		}
		g.settled()
		m.compare(rt, g)
		stop()
	})
}

func (m *model) step(rt *rapid.T, g *guard) {
	source := rapid.SampledFrom([]string{"agents", "github"}).Draw(rt, "source")
	id := rapid.IntRange(0, 4).Draw(rt, "id")
	body := fmt.Sprintf(`{"task_id":"%d","status":"completed"}`, id)
	altered := source == "agents" && rapid.IntRange(0, 5).Draw(rt, "altered") == 0
	if altered {
		body = fmt.Sprintf(`{"task_id":"%d","status":"altered"}`, id)
	}
	r := g.sign(source, fmt.Sprintf("msg_%d", id), body, time.Now())
	forged := rapid.IntRange(0, 3).Draw(rt, "forged") == 0
	if forged {
		r.Body = append(slices.Clone(r.Body), ' ')
	}
	raw := g.post(source, r)
	m.expect(raw, fmt.Sprintf("%s %d", source, id), forged, body)
}

func (m *model) expect(raw uint64, key string, forged bool, body string) {
	first, known := m.first[key]
	switch {
	case forged:
		m.want[raw] = "bad_signature"
	case !known:
		m.first[key] = raw
		m.want[raw] = "verified " + body
	case m.want[first] == "verified "+body:
		m.want[raw] = "duplicate"
	default:
		m.want[raw] = "conflict"
	}
}

func (m *model) compare(rt *rapid.T, g *guard) {
	got := map[uint64]string{}
	note := func(raw uint64, what string) {
		if before, twice := got[raw]; twice {
			rt.Errorf("raw message %d is %s and %s", raw, before, what)
		}
		got[raw] = what
	}
	last := map[string]uint64{}
	for _, e := range g.events() {
		note(e.DwRaw, "verified "+string(e.Data))
		if e.DwRaw < last[e.DwSource] {
			rt.Errorf("event of raw message %d stands after that of %d", e.DwRaw, last[e.DwSource])
		}
		last[e.DwSource] = e.DwRaw
	}
	for _, o := range g.outcomes() {
		var reason string
		var raw uint64
		if _, err := fmt.Sscan(o, &reason, &raw); err != nil {
			rt.Fatal(err)
		}
		note(raw, reason)
	}
	for raw, want := range m.want {
		if got[raw] != want {
			rt.Errorf("raw message %d is %q, want %q", raw, got[raw], want)
		}
	}
	if len(got) != len(m.want) {
		rt.Errorf("%d outcomes of %d deliveries", len(got), len(m.want))
	}
}
