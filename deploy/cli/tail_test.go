package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// event is one server-sent event as the API writes it.
func event(seq int, extra string) string {
	return fmt.Sprintf("id: %d\nevent: verified\ndata: {\"specversion\":\"1.0\",\"id\":\"e-%d\",\"type\":\"t\\u001b[2J\",\"dwsource\":\"agents\",\"recordedtime\":\"2026-11-21T22:33:59Z\"%s}\n\n", seq, seq, extra)
}

// streams answers each question for events with the next text, and keeps what was asked.
func (s *stage) streams(texts ...string) *[]string {
	var asked []string
	s.api.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		text := texts[min(len(asked), len(texts)-1)]
		asked = append(asked, r.URL.RawQuery+" "+r.Header.Get("Last-Event-ID"))
		_, _ = w.Write([]byte(text))
	})
	return &asked
}

func TestTailShowsOneEventALine(t *testing.T) {
	s := newStage(t)
	s.streams(event(8, `,"dwreplayof":"01X","data":{"a":  1}`) + event(9, ""))
	got := s.run("tail", "-n", "1")
	got.wants(t, ExitDone, `agents       t\u001b[2J`, "")
	if strings.Count(got.stdout, "\n") != 1 || !strings.Contains(got.stdout, "seq 8  replay of 01X") {
		t.Errorf("got %q", got.stdout)
	}
	s.run("tail", "-n", "1", "-o", "json").wants(t, ExitDone, `"type":"t\u001b[2J"`, "")
	s.run("tail", "-n", "1", "-o", "yaml").wants(t, ExitDone, "---\n", "")
}

func TestTailBegins(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, " "},
		{[]string{"--since-seq", "1"}, "since_seq=0 "},
		{[]string{"--since-seq", "8"}, "since_seq=7 "},
		{[]string{"--source", "agents", "--type", "a.*"}, "source=agents&type=a.%2A "},
	} {
		s := newStage(t)
		asked := s.streams(event(8, ""))
		s.run(append([]string{"tail", "-n", "1"}, c.args...)...).wants(t, ExitDone, "seq 8", "")
		if (*asked)[0] != c.want {
			t.Errorf("%v: asked %q, want %q", c.args, (*asked)[0], c.want)
		}
	}
}

func TestTailGoesOnBehindTheLastEvent(t *testing.T) {
	s := newStage(t)
	asked := s.streams(event(1, "")+event(2, ""), event(3, ""))
	got := s.run("tail", "-n", "3", "--since-seq", "1")
	got.wants(t, ExitDone, "seq 3", "connection lost after sequence 2")
	if want := []string{"since_seq=0 ", "since_seq=2 "}; fmt.Sprint(*asked) != fmt.Sprint(want) {
		t.Errorf("asked %q, want %q", *asked, want)
	}
}

func TestTailRaw(t *testing.T) {
	s := newStage(t)
	s.streams(event(1, `,"data":{"a":  1}`)+event(2, `,"data_base64":"G1syShsA"`), "")
	s.run("tail", "--raw", "-n", "2").wants(t, ExitDone, "{\"a\":  1}\n\x1b[2J\x1b\x00\n", "")
	s = newStage(t)
	s.streams(event(2, `,"data_base64":"G1syShsA"`))
	s.deps.Terminal = true
	s.run("tail", "--raw", "-n", "1").wants(t, ExitDone, `\u001b[2J\u001b\u0000`+"\n", "")
}

func TestTailOfAClosedDoor(t *testing.T) {
	newStage(t).run("tail", "--admin", "http://127.0.0.1:1").wants(t, ExitUnreachable, "", "serve")
}
