package script

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/tests/harness"
	"github.com/rogpeppe/go-internal/testscript"
)

// signed is a request as `doorward sign -o json` prints it.
type signed struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body_base64"`
}

// post STATUS FILE [-X METHOD] [-u URL] [-d BODY] [-H NAME:VALUE]... posts a captured request
// over a connection of its own, changed as the flags say, and wants that status. An empty value
// removes a header. The answer is on stdout.
func post(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: post STATUS FILE [-X METHOD] [-u URL] [-d BODY] [-H NAME:VALUE]...")
	}
	var r signed
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &r))
	flags(ts, args[2:], func(f *flag.FlagSet) {
		f.StringVar(&r.Method, "X", r.Method, "method")
		f.StringVar(&r.URL, "u", r.URL, "URL")
		f.Func("d", "body", func(body string) error { r.Body = []byte(body); return nil })
		f.Func("H", "header", func(line string) error {
			name, value, _ := strings.Cut(line, ":")
			r.Headers[http.CanonicalHeaderKey(name)] = strings.TrimSpace(value)
			return nil
		})
	})
	status, body := send(ts, r)
	_, _ = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", status, body)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("answered %d, want %s: %s", status, args[0], body)
	}
}

func send(ts *testscript.TestScript, r signed) (int, []byte) {
	req, err := http.NewRequest(r.Method, r.URL, bytes.NewReader(r.Body))
	ts.Check(err)
	for name, value := range r.Headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	req.Close = true
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	ts.Check(err)
	return res.StatusCode, body
}

// flow is a sender at work.
type flow struct {
	stop  context.CancelFunc
	done  chan struct{}
	mu    sync.Mutex
	sent  int
	tries int
	err   error
}

// flood NAME SOURCE SECRET-FILE N sends N signed requests in the background, one after the
// other, numbered in their bodies from 1. Whatever was not accepted is sent again, unchanged.
// N 0 means until flooded is called.
func flood(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: flood NAME SOURCE SECRET-FILE N")
	}
	n, err := strconv.Atoi(args[3])
	ts.Check(err)
	url := "http://" + ts.Getenv("INGRESS") + "/in/" + args[1]
	sender, err := harness.NewSender("standard-webhooks", strings.TrimSpace(ts.ReadFile(args[2])), url)
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	f := &flow{stop: stop, done: make(chan struct{})}
	of(ts).floods[args[0]] = f
	ts.Defer(func() { stop(); <-f.done })
	go f.run(ctx, sender, args[0], n)
}

func (f *flow) run(ctx context.Context, sender *harness.Sender, name string, n int) {
	defer close(f.done)
	for i := 1; n == 0 || i <= n; i++ {
		if n == 0 && ctx.Err() != nil {
			return
		}
		r, err := sender.Sign(fmt.Sprintf("%s-%d", name, i), fmt.Sprintf(`{"type":"flood","n":%d}`, i))
		tries := 0
		if err == nil {
			insisting, cancel := context.WithTimeout(context.Background(), patience)
			tries, err = sender.Insist(insisting, r)
			cancel()
		}
		f.mu.Lock()
		f.sent, f.tries, f.err = i, f.tries+tries, err
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (f *flow) progress() (int, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent, f.tries, f.err
}

// flooded NAME [N] waits until N requests were accepted, or without N for the end, which it
// brings about if there was none. What was accepted stands on stdout.
func flooded(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 || of(ts).floods[args[0]] == nil {
		ts.Fatalf("usage: flooded NAME [N]")
	}
	f := of(ts).floods[args[0]]
	if len(args) == 1 {
		f.stop()
		<-f.done
	} else {
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		eventually(ts, args[1]+" requests are accepted", func() bool {
			sent, _, err := f.progress()
			return sent >= want || err != nil
		})
	}
	sent, tries, err := f.progress()
	ts.Check(err)
	_, _ = fmt.Fprintf(ts.Stdout(), "sent %d in %d tries\n", sent, tries)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".sent"), []byte(strconv.Itoa(sent)), 0o600))
}

// inorder N reads the first N verified events: they must be the flood's, from 1 to N, each once
// and in order.
func inorder(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: inorder N")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := program(ctx, ts, "doorward", "tail", "--since-seq", "1", "-n", args[0], "-o", "jsonl").Output()
	ts.Check(err)
	i := 0
	for line := range bytes.Lines(out) {
		var event struct{ Data struct{ N int } }
		ts.Check(json.Unmarshal(line, &event))
		if i++; event.Data.N != i {
			ts.Fatalf("event %d is number %d: %s", i, event.Data.N, line)
		}
	}
	if i != want {
		ts.Fatalf("%d events, want %d", i, want)
	}
}

// eventually waits for what must happen.
func eventually(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %s", patience, what)
		}
	}
}
