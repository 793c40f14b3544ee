package ingress_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkAccept measures the door beside the smallest program that also stores before it
// answers: net/http and a JetStream publish. 64 senders keep their connections; bodies have 1 KiB.
func BenchmarkAccept(b *testing.B) {
	b.Run("door", func(b *testing.B) {
		f := open(b, benchOptions(), configured(b, ""))
		load(b, f.door.Addr())
		if n := f.stored(b); n < uint64(b.N) {
			b.Errorf("%d stored, want %d", n, b.N)
		}
	})
	b.Run("smallest", func(b *testing.B) {
		f := harness.Bus(b, benchOptions())
		_, js := f.JetStream(b, bus.IngressUser)
		load(b, smallest(b, js, f.Names.Raw("a")))
	})
}

func benchOptions() harness.Options {
	return harness.Options{Limits: map[bus.Stream]bus.Limit{bus.Raw: {MaxBytes: 4 << 30}}}
}

// smallest is the program that one would write in an afternoon.
func smallest(b *testing.B, js jetstream.JetStream, subject string) net.Addr {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		if _, err := js.Publish(context.Background(), subject, body); err != nil {
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	return listener.Addr()
}

// load posts b.N requests in parallel, written and read by hand so that the sender costs little.
func load(b *testing.B, addr net.Addr) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	request := fmt.Appendf(nil, "POST /in/a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=%064d\r\nContent-Length: %d\r\n\r\n%s", 0, len(body), body)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answer := make([]byte, 4<<10)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			n, err := conn.Read(answer) // one segment on loopback
			if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 202")) {
				b.Errorf("answered %q, %v", answer[:n], err)
				return
			}
		}
	})
}
