package ingress_test

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/ingress"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// TestDurableBefore2xx (promise 1): whatever was answered with 202 is in the stream, whole,
// also when many send at once.
func TestDurableBefore2xx(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	const senders, each = 8, 25
	var mu sync.Mutex
	sent := map[string]string{}
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range each {
				body := strings.Repeat(string(rune('a'+i)), 1+j*100)
				a := f.post(t, "a", body)
				if a.status != 202 {
					t.Errorf("answered %d %s", a.status, a.body)
					return
				}
				mu.Lock()
				sent[a.id(t)] = body
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for seq := range f.stored(t) {
		m, err := f.raw.GetMsg(context.Background(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Parse(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		id := m.Header.Get(bus.HeaderDelivery)
		if sent[id] != string(r.Body) {
			t.Errorf("delivery %s has a body of %d bytes, sent were %d", id, len(r.Body), len(sent[id]))
		}
		delete(sent, id)
	}
	if len(sent) > 0 {
		t.Errorf("%d deliveries got a 202 and are not stored", len(sent))
	}
}

// TestRecordIsByteExact also shows that no HTTP header becomes a NATS header (N03).
func TestRecordIsByteExact(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	body := "{\"a\":\r\n\r\n\x00\xff}"
	raw := "POST /in/a?x=%41&y HTTP/1.1\r\nhost: H.example:1\r\nx-sig:  b \r\nNats-Msg-Id: forged\r\nNats-Rollup: all\r\nDw-Delivery: forged\r\nDw-Peer: 10.0.0.1\r\n" +
		"X-Sig: a\r\nx-raw: \x80\xff\r\nX-Forwarded-For: 10.0.0.1\r\nX_Sig: u\r\nConnection: close\r\nContent-Length: 12\r\n\r\n" + body
	a := f.exchange(t, raw)[0]
	if a.status != 202 || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answered %d %v %s", a.status, a.header, a.body)
	}
	m := f.last(t)
	want := "POST /in/a?x=%41&y HTTP/1.1\r\nHost: H.example:1\r\nConnection: close\r\nContent-Length: 12\r\nDw-Delivery: forged\r\nDw-Peer: 10.0.0.1\r\n" +
		"Nats-Msg-Id: forged\r\nNats-Rollup: all\r\nX-Forwarded-For: 10.0.0.1\r\nX-Raw: \x80\xff\r\nX-Sig: b\r\nX-Sig: a\r\nX_sig: u\r\n\r\n" + body
	if string(m.Data) != want {
		t.Errorf("stored\n%q, want\n%q", m.Data, want)
	}
	if m.Subject != f.Names.Raw("a") {
		t.Errorf("subject is %s", m.Subject)
	}
	names := slices.Sorted(maps.Keys(m.Header))
	if !slices.Equal(names, []string{bus.HeaderDelivery, bus.HeaderPeer, bus.HeaderTLS}) {
		t.Errorf("NATS headers are %v", names)
	}
	if got := m.Header.Get(bus.HeaderPeer); got != "127.0.0.1" {
		t.Errorf("peer is %s, want the connection's", got)
	}
	if got := m.Header.Get(bus.HeaderTLS); got != "none" {
		t.Errorf("tls is %s", got)
	}
	if id := m.Header.Get(bus.HeaderDelivery); !ulidForm.MatchString(id) || id != a.id(t) {
		t.Errorf("delivery %s, answered was %s", id, a.body)
	}
}

var ulidForm = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

// TestHeaderAtTheLimitIsReadable: what the door lets in, the next door's parser takes.
func TestHeaderAtTheLimitIsReadable(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	target := "/in/a?" + strings.Repeat("q", record.MaxTarget-len("/in/a?"))
	for filler := record.MaxHeaderBytes - 100; ; filler++ {
		a := f.exchange(t, "POST "+target+" HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", filler)+"\r\nContent-Length: 1\r\n\r\nx")[0]
		if a.status == 431 {
			return
		}
		if a.status != 202 {
			t.Fatalf("filler of %d: answered %d", filler, a.status)
		}
		if _, err := record.Parse(f.last(t).Data); err != nil {
			t.Fatalf("filler of %d: stored, but %v", filler, err)
		}
	}
}

// TestBusDownThenBack (A01): 503 while it is down, and 202 again without anyone's help.
func TestBusDownThenBack(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	if a := f.post(t, "a", "one"); a.status != 202 {
		t.Fatalf("before: %d", a.status)
	}
	if err := f.door.Ready(); err != nil {
		t.Errorf("before: Ready is %v", err)
	}
	f.Stop(t)
	a := f.post(t, "a", "two")
	if a.status != 503 || a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("down: answered %d %v %s", a.status, a.header, a.body)
	}
	if err := f.door.Ready(); err == nil {
		t.Error("down: Ready is nil")
	}
	f.Start(t)
	f.raw = rawStream(t, f.Fixture)
	for deadline := time.Now().Add(20 * time.Second); f.door.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready 20s after the bus was back: %v", f.door.Ready())
		}
	}
	if a := f.post(t, "a", "three"); a.status != 202 {
		t.Errorf("back: answered %d %s", a.status, a.body)
	}
	if n := f.stored(t); n != 2 {
		t.Errorf("%d are stored, want the first and the third", n)
	}
}

// TestNoAcknowledgement: a connection that may not publish gets none, which looks like a
// bus that stored and could not say so. The answer says that.
func TestNoAcknowledgement(t *testing.T) {
	t.Parallel()
	h := harness.Bus(t, harness.Options{})
	door, err := ingress.New(ingress.Settings{Config: configured(t, ""), Bus: h.Connect(t, bus.AppUser), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- door.Run(ctx) }()
	f := &fixture{Fixture: h, door: door}
	a := f.post(t, "a", "x")
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "may have been stored") {
		t.Errorf("answered %d %v %s", a.status, a.header, a.body)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestFullStream (A02): a source's share is its own, and room makes it work again.
func TestFullStream(t *testing.T) {
	f := open(t, harness.Options{Limits: map[bus.Stream]bus.Limit{bus.Raw: {MaxBytes: 1 << 20, MaxMessages: 3}}}, configured(t, ""))
	for range 3 {
		if a := f.post(t, "a", "x"); a.status != 202 {
			t.Fatalf("answered %d", a.status)
		}
	}
	a := f.post(t, "a", "x")
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "not stored") {
		t.Errorf("full: answered %d %v %s", a.status, a.header, a.body)
	}
	if a := f.post(t, "b", "x"); a.status != 202 {
		t.Errorf("another source: answered %d", a.status)
	}
	f.work(t, "a")
	if a := f.post(t, "a", "x"); a.status != 202 {
		t.Errorf("with room again: answered %d", a.status)
	}
}

// work takes one message of a source from the raw stream, as the next door does.
func (f *fixture) work(t *testing.T, source string) {
	t.Helper()
	nc, js := f.JetStream(t, bus.VerifierEdgeUser)
	lane, err := js.Consumer(context.Background(), f.Names.Stream(bus.Raw), bus.LaneConsumer(bus.LaneOf(source)))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := lane.Fetch(1, jetstream.FetchPriorityGroup(bus.PinGroup))
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err == nil {
			err = m.DoubleAck(t.Context())
		}
		if err == nil {
			err = bus.Purge(t.Context(), nc, f.Names.Stream(bus.Raw), m.Subject(), meta.Sequence.Stream+1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Error(); err != nil {
		t.Fatal(err)
	}
}

// TestShutdownDrains (A17): a request under way is finished and stored, a new one finds
// no listener.
func TestShutdownDrains(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	conn, err := net.Dial("tcp", f.door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	write := func(s string) {
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
	}
	write("POST /in/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	r := bufio.NewReader(conn)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("got %v, %v, want 100: the door reads the body", res, err)
	}
	write("ha")
	f.stop()
	for deadline := time.Now().Add(5 * time.Second); ; {
		c, err := net.Dial("tcp", f.door.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("still listening 5s after the stop")
		}
	}
	write("lf")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 202 || !res.Close {
		t.Fatalf("under way: got %v, %v, want 202 and a closed connection", res, err)
	}
	if err := <-f.stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	f.stopped <- nil
	if n := f.stored(t); n != 1 {
		t.Errorf("%d are stored, want 1", n)
	}
	if f.door.Ready() == nil {
		t.Error("ready after the stop")
	}
}
