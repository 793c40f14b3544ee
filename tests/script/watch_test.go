package script

import (
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"
)

// view is what a core subscriber saw.
type view struct {
	nc  *nats.Conn
	mu  sync.Mutex
	ids []string
}

// subscribe NAME NKEY-FILE subscribes to verified events as an application does: with core
// NATS, which sees whatever is published and has no stream to remove doubles for it. For one
// that subscribed before, it waits until the connection stands again.
func subscribe(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: subscribe NAME NKEY-FILE")
	}
	if v := of(ts).views[args[0]]; v != nil {
		eventually(ts, args[0]+" is connected", func() bool { return v.nc.FlushTimeout(time.Second) == nil })
		return
	}
	seed := []byte(strings.TrimSpace(ts.ReadFile(args[1])))
	dial := bus.Dial{URL: "nats://" + ts.Getenv("NATS"), Log: zerolog.Nop(), Seeds: func(string) ([]byte, error) { return seed, nil }}
	nc, err := dial.Connect(bus.AppUser)
	ts.Check(err)
	ts.Defer(nc.Close)
	v := &view{nc: nc}
	_, err = nc.Subscribe(bus.NewNames("").All("verified"), func(m *nats.Msg) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.ids = append(v.ids, m.Header.Get("ce-id"))
	})
	ts.Check(err)
	ts.Check(nc.Flush())
	of(ts).views[args[0]] = v
}

func (v *view) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ids
}

// seen NAME ID... wants the subscriber to have seen exactly these events, in this order. The
// id that is not the sender's is written *. The last one should be new: events come in the order of the stream, so whatever was to come before it has come.
func seen(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 || of(ts).views[args[0]] == nil {
		ts.Fatalf("usage: seen NAME ID...")
	}
	v := of(ts).views[args[0]]
	want := strings.Join(args[1:], " ")
	eventually(ts, "the subscriber sees "+want, func() bool { return len(v.seen()) >= len(args)-1 })
	if got := strings.Join(v.seen(), " "); !match(want, got) {
		ts.Fatalf("the subscriber saw %s, want %s", got, want)
	}
}

func match(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return err == nil && ok && strings.Count(pattern, " ") == strings.Count(text, " ")
}

// endpoint is an HTTP target of the story.
type endpoint struct {
	status atomic.Int64
	taken  atomic.Int64
}

// ServeHTTP answers as the story says.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	status := int(e.status.Load())
	if status/100 == 2 {
		e.taken.Add(1)
	}
	w.WriteHeader(status)
}

// hook STATUS makes the HTTP endpoint at $HOOK answer with a status from now on.
func hook(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hook STATUS")
	}
	status, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	address := ts.Getenv("HOOK")
	e := of(ts).hooks[address]
	if e == nil {
		e = &endpoint{}
		of(ts).hooks[address] = e
		l, err := net.Listen("tcp", address)
		ts.Check(err)
		server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = server.Serve(l) }()
		ts.Defer(func() { _ = server.Close() })
	}
	e.status.Store(status)
}

// hooked N waits until the endpoint has taken N requests, and no more.
func hooked(ts *testscript.TestScript, _ bool, args []string) {
	e := of(ts).hooks[ts.Getenv("HOOK")]
	if len(args) != 1 || e == nil {
		ts.Fatalf("usage: hooked N, after hook STATUS")
	}
	want, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	eventually(ts, "the endpoint takes "+args[0]+" requests", func() bool { return e.taken.Load() >= want })
	if got := e.taken.Load(); got != want {
		ts.Fatalf("the endpoint took %d requests, want %d", got, want)
	}
}
