package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var nullLogger = log.New(io.Discard, "", 0)

func gzipped(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBodyIsNotDecompressed(t *testing.T) {
	bomb := gzipped(t, 8<<20)
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("F20 the request asks for %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	}))
	got, err := open(t, p, Settings{}).Do(t.Context(), Request{URL: s.URL})
	if err != nil || !bytes.Equal(got.Body, bomb) || got.Truncated {
		t.Errorf("F20 Do = %d bytes of %d, %v", len(got.Body), len(bomb), err)
	}
}

func TestBodyIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		size, want int
		truncated  bool
	}{
		"F20 as much as is read":  {MaxBody, MaxBody, false},
		"F20 one byte more":       {MaxBody + 1, MaxBody, true},
		"F20 much more":           {MaxBody * 64, MaxBody, true},
		"F20 nothing, the twin":   {0, 0, false},
		"F20 one byte, the twin ": {1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, tt.size)) }))
			got, err := open(t, p, Settings{}).Do(t.Context(), Request{URL: s.URL})
			if err != nil || len(got.Body) != tt.want || got.Truncated != tt.truncated {
				t.Errorf("Do = %d bytes, truncated: %t, %v", len(got.Body), got.Truncated, err)
			}
		})
	}
}

func TestEndlessBody(t *testing.T) {
	gone := make(chan struct{})
	s, p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		for chunk := make([]byte, 4096); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	got, err := open(t, p, Settings{}).Do(t.Context(), Request{URL: s.URL})
	if err != nil || len(got.Body) != MaxBody || !got.Truncated {
		t.Errorf("F20 Do = %d bytes, %v", len(got.Body), err)
	}
	<-gone // the connection is closed, not drained
}

// TestTimeoutIsTotal: neither silence nor a trickle outlives the timeout.
func TestTimeoutIsTotal(t *testing.T) {
	trickle := func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"F20 silence":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"F20 a byte a time": trickle,
	} {
		t.Run(name, func(t *testing.T) {
			s, p := serve(t, h)
			_, err := open(t, p, Settings{}).Do(t.Context(), Request{URL: s.URL, Timeout: 100 * time.Millisecond})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Do = %v, want context.DeadlineExceeded", err)
			}
		})
	}
}

func TestTimeoutCoversLookup(t *testing.T) {
	c := open(t, Policy{}, Settings{Lookup: func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	_, err := c.Do(t.Context(), Request{URL: "https://good.com/", Timeout: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || isDenied(err) {
		t.Errorf("Do = %v, want context.DeadlineExceeded", err)
	}
}

// raw serves bytes that net/http would not, endlessly when forever is set.
func raw(t *testing.T, head, forever string) (string, Policy) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			feed(conn, head, forever)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	rawURL := "http://" + l.Addr().String()
	return rawURL, loopbackPolicy(t, rawURL)
}

func feed(conn net.Conn, head, forever string) {
	defer conn.Close()
	_, _ = conn.Read(make([]byte, 4096))
	_, err := io.WriteString(conn, head)
	for err == nil && forever != "" {
		_, err = io.WriteString(conn, forever)
	}
}

func TestHostileHeads(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
	header := "X: " + strings.Repeat("a", 1021) + "\r\n"
	tests := map[string]struct {
		head, forever string
		ok            bool
	}{
		"F20 16 KiB of header, the twin":     {head: ok + strings.Repeat(header, 16) + "\r\n", ok: true},
		"F20 40 KiB of header":               {head: ok + strings.Repeat(header, 40) + "\r\n"},
		"F20 9 MiB of header":                {head: ok + strings.Repeat(header, 9<<10) + "\r\n"},
		"F20 endless header":                 {head: ok, forever: header},
		"F20 one endless line":               {head: ok + "X: ", forever: "aaaaaaaaaaaaaaaa"},
		"F20 endless status line":            {head: "HTTP/1.1 200 ", forever: "aaaaaaaaaaaaaaaa"},
		"F20 some early hints, the twin":     {head: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 3) + ok + "\r\n", ok: true},
		"F20 early hints without end":        {forever: "HTTP/1.1 103 Early Hints\r\n" + header + "\r\n"},
		"F20 empty early hints without end":  {forever: "HTTP/1.1 103 Early Hints\r\n\r\n"},
		"F21 an answer that is not HTTP":     {head: "SSH-2.0-hunter2\r\n\r\n"},
		"F21 a header that is none":          {head: "HTTP/1.1 200 OK\r\nhunter2\r\n\r\n"},
		"F21 an unknown transfer encoding":   {head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: hunter2\r\n\r\n"},
		"F21 a length that is none":          {head: "HTTP/1.1 200 OK\r\nContent-Length: hunter2\r\n\r\n"},
		"F21 a chunk that is none":           {head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n"},
		"F21 a connection closed at once":    {},
		"F21 a body shorter than its length": {head: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhunter2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rawURL, p := raw(t, tt.head, tt.forever)
			_, err := open(t, p, Settings{}).Do(t.Context(), Request{URL: rawURL})
			if (err == nil) != tt.ok || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Do = %v, want success: %t, at once", err, tt.ok)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 300) {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}
