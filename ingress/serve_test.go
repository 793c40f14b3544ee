package ingress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"
)

// closedDoor refuses like any other; it has no bus, so nothing may come as far as that.
func closedDoor() *Door {
	d := &Door{log: zerolog.Nop(), metrics: newMetrics()}
	d.memory.free.Store(maxBuffered)
	d.parcels.New = func() any { return newParcel() }
	d.plan.Store(&plan{sources: map[string]*source{"a": d.metrics.of(&source{name: "a", subject: "x", limit: 1 << 20})}})
	return d
}

// dialed serves d with its time-outs divided by 50 and writes the start of a request.
func dialed(t *testing.T, d *Door, start string) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := d.newServer()
	for _, timeout := range []*time.Duration{&s.ReadHeaderTimeout, &s.ReadTimeout, &s.WriteTimeout, &s.IdleTimeout} {
		*timeout /= 50
	}
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, start); err != nil {
		t.Fatal(err)
	}
	return conn
}

const head = "POST /in/a HTTP/1.1\r\nHost: h\r\n"

func TestSlowSendersAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		start string
		want  int // 0: closed without an answer
	}{
		"H11 slow chunks":                  {head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 408},
		"H12 a length and no body":         {head + "Content-Length: 1048576\r\n\r\n", 408},
		"H15 slow header":                  {head, 0},
		"H15 silent connection":            {"", 0},
		"H36 a 100 and no body":            {head + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 408},
		"a refusal waits for no slow body": {"POST /in/b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := bufio.NewReader(dialed(t, closedDoor(), c.start))
			res, err := http.ReadResponse(r, nil)
			if err == nil && res.StatusCode == 100 {
				res, err = http.ReadResponse(r, nil)
			}
			if c.want == 0 {
				if err == nil {
					t.Fatalf("answered %d, want the connection closed", res.StatusCode)
				}
				return
			}
			if err != nil || res.StatusCode != c.want || !res.Close {
				t.Fatalf("got %v, %v, want %d and the connection closed", res, err, c.want)
			}
		})
	}
}

func post(d *Door, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/in/a", body)
	r.Header.Set("Content-Length", "1")
	w := httptest.NewRecorder()
	d.serve(w, r)
	return w
}

func TestTooManyRequestsUnderWay(t *testing.T) {
	d := closedDoor()
	d.inFlight.Store(maxInFlight)
	w := post(d, strings.NewReader("x"))
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
	if n := d.inFlight.Load(); n != maxInFlight {
		t.Errorf("%d under way afterwards", n)
	}
	d.inFlight.Store(maxInFlight - 1)
	if w := post(d, io.MultiReader(&failing{})); w.Code != 400 {
		t.Errorf("one fewer: answered %d, want its body read", w.Code)
	}
}

// failing is a body that breaks off after n bytes.
type failing struct{ n int }

func (f *failing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := min(f.n, len(p))
	f.n -= n
	return n, nil
}

// TestMemoryIsTakenByWhatArrives, not by what a length promises, and given back.
func TestMemoryIsTakenByWhatArrives(t *testing.T) {
	d := closedDoor()
	send := func(arrives int) int {
		r := httptest.NewRequest("POST", "/in/a", io.MultiReader(&failing{arrives}))
		r.ContentLength = 1 << 20
		w := httptest.NewRecorder()
		d.serve(w, r)
		return w.Code
	}
	d.memory.free.Store(0)
	if got := send(handy / 2); got != 400 {
		t.Errorf("a handy body without memory: %d, want 400 as it breaks off", got)
	}
	if got := send(1 << 19); got != 503 {
		t.Errorf("a large body without memory: %d, want 503", got)
	}
	d.memory.free.Store(1 << 20)
	if got := send(1 << 19); got != 400 {
		t.Errorf("a large body with memory: %d, want 400 as it breaks off", got)
	}
	if free := d.memory.free.Load(); free != 1<<20 {
		t.Errorf("%d bytes are free afterwards, want all", free)
	}
}

func TestParcelReadsWhatComes(t *testing.T) {
	m := &memory{}
	m.free.Store(1 << 30)
	for _, size := range []int{0, 1, 511, 512, 513, handy - 1, handy, handy + 1, 1 << 20} {
		for _, length := range []int64{int64(size), -1} {
			p := newParcel()
			got, err := p.read([]byte("head"), strings.NewReader(strings.Repeat("x", size)), length, m)
			if err != nil || string(got) != "head"+strings.Repeat("x", size) {
				t.Errorf("size %d, length %d: %d bytes, %v", size, length, len(got), err)
			}
			if size > handy && length > 0 && cap(got) > size+size/4 {
				t.Errorf("size %d, length %d: %d bytes were made room for", size, length, cap(got))
			}
		}
	}
}

func TestIDIsULID(t *testing.T) {
	now := time.Now()
	seen := map[string]bool{}
	for range 10000 {
		id := newID(now)
		parsed, err := ulid.ParseStrict(id)
		if err != nil || parsed.Time() != uint64(now.UnixMilli()) || seen[id] {
			t.Fatalf("id %s: %v, time %d, seen %v", id, err, parsed.Time(), seen[id])
		}
		seen[id] = true
	}
}
