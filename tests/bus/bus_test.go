package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
)

func publisher(t *testing.T, nc *nats.Conn, identity string) *bus.Publisher {
	t.Helper()
	p, err := bus.NewPublisher(nc, identity, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSetupIsIdempotent(t *testing.T) {
	f := harness.Bus(t, harness.Options{Targets: []bus.Target{{Name: "agents", Sources: []string{"a"}, Subject: "agents.resume.*"}}})
	if err := f.Server.Setup(context.Background()); err != nil {
		t.Fatalf("the second set-up: %v", err)
	}
}

func TestSetupRefusesWhatDiffers(t *testing.T) {
	f := harness.Bus(t, harness.Options{})
	_, js := f.JetStream(t, bus.SetupEdgeUser)
	ctx := context.Background()
	other := f.Layout
	if err := other.Setup(ctx, bus.Edge, js); err != nil {
		t.Fatalf("the same layout: %v", err)
	}
	s, err := js.Stream(ctx, "DW_RAW")
	if err != nil {
		t.Fatal(err)
	}
	changed := s.CachedInfo().Config
	changed.AllowMsgTTL = true
	if _, err := js.UpdateStream(ctx, changed); err != nil {
		t.Fatal(err)
	}
	var differs *bus.DiffersError
	if err := other.Setup(ctx, bus.Edge, js); !errors.As(err, &differs) || differs.Fields[0] != "AllowMsgTTL" {
		t.Errorf("a stream with times to live: got %v, want a DiffersError that names AllowMsgTTL", err)
	}
}

func TestCoreSubscriberSeesWhatTheStreamStored(t *testing.T) {
	f := harness.Bus(t, harness.Options{})
	seen, err := f.Connect(t, bus.AppUser).SubscribeSync("dw.verified.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := seen.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	nc := f.Connect(t, bus.VerifierUser)
	p := publisher(t, nc, bus.VerifierUser)
	for i := range 3 {
		ack, err := p.Publish(context.Background(), &nats.Msg{Subject: f.Names.In("a", "x.y"), Header: nats.Header{bus.MsgID: {"one"}}, Data: []byte("hello")})
		if err != nil {
			t.Fatal(err)
		}
		if ack.Seq != 1 || ack.Duplicate != (i > 0) {
			t.Errorf("publish %d: acknowledged %+v", i, ack)
		}
	}
	m, err := seen.NextMsg(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "dw.verified.a.x.y" || string(m.Data) != "hello" {
		t.Errorf("seen %s %q", m.Subject, m.Data)
	}
	if m, err := seen.NextMsg(200 * time.Millisecond); err == nil {
		t.Errorf("seen a second time: %s", m.Subject)
	}
}

func TestPublisherKeepsOrderAndNamesFailures(t *testing.T) {
	f := harness.Bus(t, harness.Options{Limits: map[bus.Stream]bus.Limit{bus.Raw: {MaxBytes: 1 << 20, MaxMessages: 100}}})
	nc := f.Connect(t, bus.IngressUser)
	p := publisher(t, nc, bus.IngressUser)
	var pending []*bus.Pending
	for range 101 {
		w, err := p.Send(&nats.Msg{Subject: f.Names.Raw("a"), Data: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, w)
	}
	for i, w := range pending {
		ack, err := w.Wait(context.Background())
		if i < 100 && (err != nil || ack.Seq != uint64(i+1)) {
			t.Fatalf("publish %d: %+v, %v", i, ack, err)
		}
		if i == 100 && !errors.Is(err, bus.ErrFull) {
			t.Errorf("one over the source's share: got %v, want ErrFull", err)
		}
	}
	if _, err := p.Publish(context.Background(), &nats.Msg{Subject: f.Names.Raw("b"), Data: []byte("x")}); err != nil {
		t.Errorf("another source: %v", err)
	}
	nc.Close()
	if _, err := p.Publish(context.Background(), &nats.Msg{Subject: f.Names.Raw("b")}); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("on a closed connection: got %v, want ErrUnavailable", err)
	}
}

func TestScanReadsAStreamWithoutConsuming(t *testing.T) {
	f := harness.Bus(t, harness.Options{})
	nc := f.Connect(t, bus.VerifierUser)
	p := publisher(t, nc, bus.VerifierUser)
	ctx := context.Background()
	const n = 1300
	var pending []*bus.Pending
	for i := range n {
		w, err := p.Send(&nats.Msg{Subject: f.Names.In("a", "t"), Header: nats.Header{bus.MsgID: {fmt.Sprint(i)}}, Data: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, w)
	}
	for _, w := range pending {
		if _, err := w.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]*bus.Reader{
		"inside":           bus.NewReader(nc, bus.APILocal, "DW_VERIFIED"),
		"across, operator": bus.NewReader(f.Connect(t, bus.OpsUser), bus.APICore, "DW_VERIFIED"),
	} {
		var got []uint64
		if err := r.Scan(ctx, bus.From{}, func(s *bus.Stored) error { got = append(got, s.Seq); return nil }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != n || got[0] != 1 || got[n-1] != n {
			t.Errorf("%s: read %d messages", name, len(got))
		}
		s, err := r.Get(ctx, 7)
		if err != nil || string(s.Data) != "6" || s.Subject != "dw.verified.a.t" || s.Header.Get(bus.MsgID) != "6" {
			t.Errorf("%s: message 7 is %+v, %v", name, s, err)
		}
		if _, err := r.Get(ctx, n+1); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("%s: beyond the end: got %v, want ErrNotFound", name, err)
		}
		late := 0
		if err := r.Scan(ctx, bus.From{Time: time.Now().Add(time.Minute)}, func(*bus.Stored) error { late++; return nil }); err != nil || late != 0 {
			t.Errorf("%s: from the future: %d messages, %v", name, late, err)
		}
	}
	empty := bus.NewReader(nc, bus.APILocal, "DW_REFUSED")
	if err := empty.Scan(ctx, bus.From{}, func(*bus.Stored) error { return errors.New("a message") }); err != nil {
		t.Errorf("an empty stream: %v", err)
	}
}
