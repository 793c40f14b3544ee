package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"pgregory.net/rapid"
)

var letters = api.DeadLetters{
	Rows: []api.DeadLetter{
		{ID: "dead:7", From: "dead", Seq: 7, AgeSeconds: 2460, Source: "partner", Target: "billing", Stage: "dispatcher", Reason: "target_timeout", Attempts: 8, Type: "com.partner\x1b[2J"},
		{ID: "refused:2", From: "refused", Seq: 2, AgeSeconds: 12, Source: "agents", Stage: "verifier", Reason: "stale", Attempts: 1},
	},
	Matched: 214, Reasons: []api.ReasonNumber{{Reason: "target_timeout", Count: 200}, {Reason: "stale", Count: 14}},
}

func TestDLQList(t *testing.T) {
	s := newStage(t)
	var query string
	s.api.HandleFunc("GET /v1/deadletters", func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		_ = json.NewEncoder(w).Encode(letters)
	})
	s.deps.Now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
	got := s.run("dlq", "ls", "--since", "2h", "--from", "dead", "--limit", "5")
	got.wants(t, ExitDone, `dead:7     41m  partner  billing  dispatcher  target_timeout  8      com.partner\u001b[2J`, "2 of 214: target_timeout 200 · stale 14\n")
	if want := "from=dead&limit=5&since=2026-11-21T10%3A00%3A00Z"; query != want {
		t.Errorf("query: got %q, want %q", query, want)
	}
	s.run("dlq", "ls", "-q").wants(t, ExitDone, "dead:7", "")
	got = s.run("dlq", "ls", "-o", "jsonl", "-q")
	if lines := strings.Split(strings.TrimSpace(got.stdout), "\n"); len(lines) != 2 || !json.Valid([]byte(lines[0])) {
		t.Errorf("jsonl: got %q", got.stdout)
	}
	for _, args := range [][]string{{"--from", "moon"}, {"--limit", "0"}, {"--limit", "1001"}, {"--since", "yesterday"}} {
		s.run(append([]string{"dlq", "ls"}, args...)...).wants(t, ExitUsage, "", args[0])
	}
}

func TestDLQShowsNothingThatCanPassForOurs(t *testing.T) {
	s := newStage(t)
	s.answer("GET /v1/deadletters/quarantine/3", api.DeadLetterDetail{
		DeadLetter: api.DeadLetter{ID: "quarantine:3", Reason: "bad_signature", Detail: "a\nreason  verified"},
		View:       "POST /in/agents HTTP/1.1\r\nX: \x1b[2J\r\n\r\nid  forged\u202e",
	})
	got := s.run("dlq", "show", "quarantine:3")
	got.wants(t, ExitDone, `detail  a\nreason  verified`, "")
	got.wants(t, ExitDone, "\n| X: \\u001b[2J\n| \n| id  forged\\u202e\n", "")
	s.run("dlq", "show", "quarantine:3", "-o", "yaml").wants(t, ExitDone, `reason: bad_signature`, "")
	for _, id := range []string{"3", "quarantine", "quarantine:0", "quarantine:x", "verified:3", "quarantine:-1"} {
		s.run("dlq", "show", id).wants(t, ExitUsage, "", "refused:12")
	}
}

// replays lets the API take orders, and answers each by its sequence.
func (s *stage) replays(results map[uint64]string) *[]api.ReplayRequest {
	var asked []api.ReplayRequest
	s.api.HandleFunc("POST /v1/replays", func(w http.ResponseWriter, r *http.Request) {
		var req api.ReplayRequest
		_ = json.NewDecoder(r.Body).Decode(&req)
		asked = append(asked, req)
		out := api.Replays{DryRun: req.DryRun, Matched: len(req.Seqs)}
		if req.Filter != nil {
			req.Seqs, out.Matched = []uint64{1, 2, 3}, 5
		}
		for _, seq := range req.Seqs {
			out.Orders = append(out.Orders, api.ReplayOrder{ID: fmt.Sprintf("order-%d", seq), From: req.From, Seq: seq})
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	s.api.HandleFunc("GET /v1/replays/{id}", func(w http.ResponseWriter, r *http.Request) {
		var seq uint64
		_, _ = fmt.Sscanf(r.PathValue("id"), "order-%d", &seq)
		_ = json.NewEncoder(w).Encode(api.Replay{ID: r.PathValue("id"), Pending: results[seq] == "", Result: results[seq], Fix: "mend it"})
	})
	return &asked
}

func TestReplayIsConfirmed(t *testing.T) {
	for _, c := range []struct {
		name        string
		interactive bool
		input       string
		args        []string
		exit        int
		stderr      string
	}{
		{"nobody to ask", false, "y\n", nil, ExitUnconfirmed, "no terminal to confirm on"},
		{"not to be asked", true, "y\n", []string{"--no-input"}, ExitUnconfirmed, "--dry-run"},
		{"no", true, "n\n", nil, ExitUnconfirmed, "nothing was done"},
		{"silence", true, "", nil, ExitUnconfirmed, "nothing was done"},
		{"yes", true, "y\n", nil, ExitDone, "[y/N]"},
		{"--yes", false, "", []string{"--yes"}, ExitDone, "1 delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			asked := s.replays(map[uint64]string{7: "delivered"})
			s.deps.Interactive, s.deps.Stdin = c.interactive, strings.NewReader(c.input)
			got := s.run(append([]string{"dlq", "replay", "dead:7", "--note", "INC-1"}, c.args...)...)
			if got.exit != c.exit || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("got %+v, want exit %d, %q", got, c.exit, c.stderr)
			}
			if ordered := len(*asked) > 0; ordered != (c.exit == ExitDone) {
				t.Errorf("ordered: %+v", *asked)
			}
			if len(*asked) > 0 && (*asked)[0].Note != "INC-1" {
				t.Errorf("note: got %+v", (*asked)[0])
			}
		})
	}
}

func TestReplayTellsWhatBecameOfEach(t *testing.T) {
	for _, c := range []struct {
		name    string
		results map[uint64]string
		exit    int
		stderr  string
	}{
		{"all", map[uint64]string{1: "verified", 2: "verified", 3: "verified"}, ExitDone, "3 verified"},
		{"some", map[uint64]string{1: "verified", 2: "refused", 3: "verified"}, ExitPartly, "2 verified, 1 refused"},
		{"duplicates are no success", map[uint64]string{1: "duplicate", 2: "verified", 3: "verified"}, ExitPartly, "2 verified, 1 duplicate"},
		{"none", map[uint64]string{1: "refused", 2: "refused", 3: "quarantined"}, ExitFailed, "help: mend it"},
		{"not yet", map[uint64]string{}, ExitUnreachable, "3 pending"},
		{"one not yet", map[uint64]string{1: "verified", 2: "verified"}, ExitPartly, "1 pending"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			s.replays(c.results)
			patience := "1m"
			if strings.HasSuffix(c.name, "not yet") {
				patience = "200ms"
			}
			got := s.run("dlq", "replay", "--from", "refused", "--yes", "--timeout", patience)
			got.wants(t, c.exit, "refused:3", c.stderr)
		})
	}
}

func TestReplayOrdersWhatWasCounted(t *testing.T) {
	s := newStage(t)
	asked := s.replays(map[uint64]string{1: "delivered", 2: "delivered", 3: "delivered"})
	s.run("dlq", "replay", "--from", "dead", "--dry-run").wants(t, ExitDone, "dead:1\ndead:2\ndead:3\n", "5 match, the newest 3")
	if len(*asked) != 1 || !(*asked)[0].DryRun {
		t.Fatalf("dry run: got %+v", *asked)
	}
	*asked = nil
	s.run("dlq", "replay", "--from", "dead", "--target", "billing", "--yes", "--rate", "500/s", "--may-duplicate").wants(t, ExitDone, "delivered", "3 delivered")
	if len(*asked) != 2 || !(*asked)[0].DryRun || (*asked)[0].Filter.Target != "billing" || !slices.Equal((*asked)[1].Seqs, []uint64{1, 2, 3}) || !(*asked)[1].MayDuplicate {
		t.Errorf("got %+v", *asked)
	}
}

func TestReplayUsage(t *testing.T) {
	s := newStage(t)
	for _, args := range [][]string{{}, {"--reason", "stale"}, {"dead:1", "--from", "dead"}, {"dead"}, {"--from", "moon"}} {
		got := s.run(append([]string{"dlq", "replay", "--yes"}, args...)...)
		if got.exit != ExitUsage {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

func TestBatchesKeepStreamsApartAndLoseNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.Custom(func(t *rapid.T) letterID {
			return letterID{rapid.SampledFrom(origins).Draw(t, "from"), rapid.Uint64Range(1, 9).Draw(t, "seq")}
		})).Draw(t, "ids")
		size := rapid.IntRange(1, 5).Draw(t, "size")
		count := map[letterID]int{}
		for _, part := range batches(ids, size) {
			if len(part) == 0 || len(part) > size {
				t.Fatalf("a batch of %d", len(part))
			}
			for _, id := range part {
				if id.from != part[0].from {
					t.Fatalf("%s beside %s", id.from, part[0].from)
				}
				count[id]++
			}
		}
		for _, id := range ids {
			count[id]--
		}
		for id, n := range count {
			if n != 0 {
				t.Fatalf("%v: %+d", id, n)
			}
		}
	})
}

func TestBooks(t *testing.T) {
	for _, c := range []struct {
		books          api.Books
		exit           int
		stdout, stderr string
	}{
		{api.Books{State: api.Balanced, Balanced: true, Counts: api.BooksCounts{Raw: 5}}, ExitDone, "raw          5", ""},
		{api.Books{State: api.Unbalanced, Missing: []uint64{41, 42}, MissingCount: 2}, ExitFailed, "missing      41 42", "2 missing, 0 doubled"},
		{api.Books{State: api.Incomplete, UnaccountedByEviction: 3}, ExitPartly, "incomplete", "3 requests"},
	} {
		s := newStage(t)
		s.answer("GET /v1/books", c.books)
		s.run("books").wants(t, c.exit, c.stdout, c.stderr)
	}
}

func TestBooksAcceptIsConfirmed(t *testing.T) {
	s := newStage(t)
	s.answer("POST /v1/books/accept", api.Books{State: api.Unbalanced})
	s.run("books", "accept", "--yes").wants(t, ExitUsage, "", "--note")
	s.run("books", "accept", "--note", "disk lost").wants(t, ExitUnconfirmed, "", "--yes")
	s.run("books", "accept", "--note", "disk lost", "--yes").wants(t, ExitDone, "unbalanced", "")
}

func TestStats(t *testing.T) {
	s := newStage(t)
	s.answer("GET /v1/stats", api.Stats{
		Streams: []api.Store{{Stream: "DW_RAW", Messages: 3, MaxBytes: 2 << 30}},
		Lanes:   []api.Consumer{{Name: "03", Pending: 2}, {Name: "04"}},
		Targets: []api.Consumer{{Name: "billing", Missing: true}},
		Stored:  []api.Tally{{Outcome: "refused", Source: "agents", Reason: "stale", Count: 9}},
	})
	got := s.run("stats")
	for _, want := range []string{"DW_RAW  3", "lane 03", "target billing  missing", "refused  agents  -       stale   9"} {
		got.wants(t, ExitDone, want, "")
	}
	if strings.Contains(got.stdout, "lane 04") {
		t.Error("an idle lane is shown")
	}
}

func TestNATSCreds(t *testing.T) {
	s := newStage(t)
	s.run("nats", "creds").wants(t, ExitDone, "nats --server nats://127.0.0.1:14222 --nkey "+s.dir+"/data/nkeys/app.nk sub 'dw.verified.>'\n", "")
	s.run("nats", "creds", "agent").wants(t, ExitDone, "--inbox-prefix _INBOX_agent --js-api-prefix dw.js.out consumer next DW_OUT reader-agents", "")
	s.run("nats", "creds", "ops", "-o", "json").wants(t, ExitDone, `"identity": "ops"`, "")
	s.run("nats", "creds", "verifier").wants(t, ExitUsage, "", "app, agent, ops")
	s.run("nats", "setup").wants(t, ExitConfig, "", "embedded")
}

func TestConfigVerbs(t *testing.T) {
	s := newStage(t)
	s.run("config", "check").wants(t, ExitConfig, "", "CLI_TEST_NOT_SET") // which sending does not need
	s.run("config", "schema").wants(t, ExitDone, `"$schema"`, "")
	s.run("config", "project", "ingress").wants(t, ExitConfig, "", "nats.url")
	s.run("config", "project", "verifier").wants(t, ExitUsage, "", "ingress")
	const rest = `
streams: { nonces: { max_bytes: 128MiB } }
sources:
  github: { verify: { provider: github, keys: [ { id: g1, secret: "env:CLI_TEST_GITHUB" } ] } }
`
	good := s.write("good.yaml", "version: 1"+rest)
	s.bare("-c", good, "config", "check").wants(t, ExitDone, "1 source  0 targets", "")
	cluster := s.write("cluster.yaml", `version: 1
nats: { url: "nats://n1", durability: process, credentials: { ingress: "env:CLI_INGRESS" } }`+rest)
	got := s.bare("-c", cluster, "config", "project", "ingress")
	got.wants(t, ExitDone, "provider: github", "")
	if strings.Contains(got.stdout, "CLI_TEST_GITHUB") {
		t.Error("the projection names a secret")
	}
}
