package attacks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
)

// genuine stores one verified event, as the verifier does.
func (f *fixture) genuine(verifier *nats.Conn, id string) {
	f.t.Helper()
	e := event.Event{ID: id, Source: "doorward:github", Type: "push", DwSource: "github", DwScheme: "github/sha256", RecordedTime: time.Now(), Data: []byte("genuine")}
	m := e.Msg(f.Names.In("github", e.Type))
	m.Header[bus.MsgID] = []string{id}
	f.publish(verifier, m)
}

// forge sends a request whose answer is to appear on a subject of the forger's choice.
func forge(t *testing.T, nc *nats.Conn, request, reply string, data []byte) {
	t.Helper()
	if err := nc.PublishRequest(request, reply, data); err != nil {
		t.Fatalf("request %s with reply %s: %v", request, reply, err)
	}
	flush(t, nc)
}

// pullOne asks a consumer for one message, and to say so at once when there is none.
var pullOne = []byte(`{"batch":1,"no_wait":true}`)

// TestReplyAcrossAccounts (N02): whoever may send a request makes the server publish the
// answer on any subject of his own account. So subjects that anybody trusts live in another
// account, where no reply reaches.
func TestReplyAcrossAccounts(t *testing.T) {
	f := open(t)
	app := f.as(bus.AppUser)
	seen, err := app.SubscribeSync("dw.verified.>")
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := app.SubscribeSync("dw.resume.>")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, app)
	verifier := f.as(bus.VerifierUser)
	f.genuine(verifier, "one")
	if m, err := seen.NextMsg(2 * time.Second); err != nil || string(m.Data) != "genuine" || m.Header.Get("Nats-Stream") != "DW_VERIFIED" {
		t.Fatalf("the genuine twin: %v, %v", m, err)
	}
	f.publish(f.as(bus.DispatcherUser), &nats.Msg{Subject: "agents.resume.t", Data: []byte("for an agent")})
	before := f.stored()
	requests := map[string][]string{
		bus.OpsUser: {
			"dw.js.core.DIRECT.GET.DW_VERIFIED", "dw.js.core.STREAM.INFO.DW_VERIFIED", "dw.js.out.DIRECT.GET.DW_DEAD", "dw.js.audit.STREAM.INFO.DW_AUDIT", "dw.js.edge.STREAM.INFO.DW_RAW",
		},
		bus.JanitorUser:    {"dw.js.core.STREAM.INFO.DW_VERIFIED", "dw.js.core.CONSUMER.LIST.DW_VERIFIED"},
		bus.AgentUser:      {"dw.js.out.CONSUMER.MSG.NEXT.DW_OUT.reader-agents", "dw.js.out.CONSUMER.INFO.DW_OUT.reader-agents", "dw.api.waits.register"},
		bus.DispatcherUser: {"dw.js.core.CONSUMER.MSG.NEXT.DW_VERIFIED.target-agents", "dw.js.core.DIRECT.GET.DW_VERIFIED", "$JS.API.STREAM.INFO.DW_DEAD"},
		bus.IngressUser:    {"dw.raw.x"}, // no such subject in the stream: an answer of no responders
	}
	replies := []string{
		"dw.in.evil.t", "dw.verified.evil.t", "dw.nonce.github.d", "dw.refused.github.stale", "dw.replay.order.dead.1", "dw.replay.done.1", "dw.audit.fake",
	}
	for identity, subjects := range requests {
		t.Run("N02 "+identity+" replies into another account", func(t *testing.T) {
			f := f.in(t)
			nc := f.as(identity)
			for _, request := range subjects {
				for _, reply := range replies {
					forge(t, nc, request, reply, pullOne)
				}
			}
			silent(t, "a subscriber of verified events", seen)
			silent(t, "a subscriber of resumes", resumed)
		})
	}
	flush(t, verifier)
	f.expectStored(before)
	f.genuine(verifier, "two")
	if m, err := seen.NextMsg(2 * time.Second); err != nil || string(m.Data) != "genuine" {
		t.Errorf("the genuine twin afterwards: %v, %v", m, err)
	}
}

// TestReplyOfAStoredOrder (N02): an operator's order is stored, its acknowledgement is not,
// wherever it was sent; with the audit in the operators' own account it was.
func TestReplyOfAStoredOrder(t *testing.T) {
	f := open(t)
	ops := f.as(bus.OpsUser)
	for i, reply := range []string{"dw.audit.fake", "dw.in.evil.t", "dw.replay.order.dead.9", "dw.verified.evil.t"} {
		t.Run("N02 an order with the reply "+reply, func(t *testing.T) {
			f := f.in(t)
			forge(t, ops, f.Names.ReplayOrder("refused", string(rune('a'+i))), reply, []byte("{}"))
			f.eventually("the order is stored", func() bool { return f.stored()[bus.Replay] == uint64(i+1) })
			f.expectStored(map[bus.Stream]uint64{bus.Replay: uint64(i + 1)})
		})
	}
	f.publish(ops, &nats.Msg{Subject: f.Names.AuditEntry("replay"), Data: []byte("{}")})
	f.expectStored(map[bus.Stream]uint64{bus.Replay: 4, bus.AuditLog: 1})
}

// eventually waits for what happens by itself, within a bound.
func (f *fixture) eventually(what string, true func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !true(); {
		if time.Now().After(deadline) {
			f.t.Fatalf("it did not happen: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // the bound is the deadline above
	}
}

// TestReplyInsideEdge (N02): inside one account a reply does go anywhere. What the ingress
// can make of that is one more raw message, and nothing of JetStream's API.
func TestReplyInsideEdge(t *testing.T) {
	f := open(t)
	ingress := f.as(bus.IngressUser)
	raw := f.Names.Raw("github")
	t.Run("N02 another raw subject: one more raw message, without Doorward's headers", func(t *testing.T) {
		f := f.in(t)
		forge(t, ingress, raw, f.Names.Raw("other"), []byte("x"))
		f.eventually("both are stored", func() bool { return f.stored()[bus.Raw] == 2 })
		m, err := f.stream(bus.Edge, bus.Raw).GetMsg(context.Background(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != f.Names.Raw("other") || m.Header.Get(bus.HeaderDelivery) != "" {
			t.Errorf("stored %s %v", m.Subject, m.Header)
		}
	})
	before := f.stored()
	for _, reply := range []string{
		"$JS.API.STREAM.PURGE.DW_RAW", "$JS.API.STREAM.DELETE.DW_RAW", "$JS.API.STREAM.MSG.DELETE.DW_RAW", "$JS.API.CONSUMER.RESET.DW_RAW.lane-00",
		"$JS.API.CONSUMER.PAUSE.DW_RAW.lane-00", "$JS.API.CONSUMER.DELETE.DW_RAW.lane-00", "$JS.API.CONSUMER.UNPIN.DW_RAW.lane-00", "$JS.API.CONSUMER.MSG.NEXT.DW_RAW.lane-00",
	} {
		t.Run("N02 the API as the reply: "+reply, func(t *testing.T) {
			f := f.in(t)
			forge(t, ingress, raw, reply, []byte("x"))
			before[bus.Raw]++
			f.eventually("the request is stored", func() bool { return f.stored()[bus.Raw] == before[bus.Raw] })
			f.expectStored(before)
			c, err := f.stream(bus.Edge, bus.Raw).Consumer(context.Background(), "lane-00")
			if err != nil {
				t.Fatal(err)
			}
			if info := c.CachedInfo(); info.Paused || info.NumAckPending != 0 {
				t.Errorf("the lane is paused %t, %d pending", info.Paused, info.NumAckPending)
			}
		})
	}
	t.Run("N02 an acknowledgement as the reply is refused by the server", func(t *testing.T) {
		f := f.in(t)
		const reply = "$JS.ACK.DW_RAW.lane-00.1.1.1.1.0"
		forge(t, ingress, raw, reply, []byte("x"))
		if !refused(ingress, "publish with reply of", reply) {
			t.Errorf("the server said %v", ingress.LastError())
		}
		f.expectStored(before)
	})
}

// TestNobodyAsksInCore (N02): CORE holds the streams that everybody trusts, and whoever may
// ask for anything there can have the answer stored as a verified event: seen with a janitor
// that lived there. So the verifier is alone in it, but for the set-up.
func TestNobodyAsksInCore(t *testing.T) {
	for _, id := range harness.Layout(harness.Options{}).Identities() {
		if id.Account == bus.Core && id.Name != bus.VerifierUser && id.Name != bus.SetupCoreUser {
			t.Errorf("N02 %s is in CORE", id.Name)
		}
	}
}

// TestPurge (N04): two deletions ship. The janitor's, only on DW_VERIFIED, and the
// verifier's on DW_RAW, where it removes what is settled; the ingress has none.
func TestPurge(t *testing.T) {
	f := open(t)
	f.genuine(f.as(bus.VerifierUser), "one")
	janitor := f.as(bus.JanitorUser)
	for s := range accountOf(f.Layout) {
		if s == bus.Verified {
			continue
		}
		t.Run("N04 the janitor purges DW_"+string(s), func(t *testing.T) {
			f := f.in(t)
			if f.mayPublish(janitor, "dw.js.core.STREAM.PURGE.DW_"+string(s)) {
				t.Error("permitted")
			}
		})
	}
	t.Run("N04 the janitor purges DW_VERIFIED", func(t *testing.T) {
		f := f.in(t)
		if _, err := janitor.Request("dw.js.core.STREAM.PURGE.DW_VERIFIED", nil, 2*time.Second); err != nil {
			t.Error(err)
		}
		f.expectStored(map[bus.Stream]uint64{})
	})
	t.Run("N04 DW_AUDIT can't be purged even by its set-up", func(t *testing.T) {
		f := f.in(t)
		if err := f.stream(bus.Audit, bus.AuditLog).Purge(context.Background()); err == nil {
			t.Error("purged")
		}
	})
	for id, want := range map[string]bool{bus.VerifierEdgeUser: true, bus.IngressUser: false} {
		t.Run("N04 "+id+" purges DW_RAW", func(t *testing.T) {
			f := f.in(t)
			if got := f.mayPublish(f.as(id), "$JS.API.STREAM.PURGE.DW_RAW"); got != want {
				t.Errorf("permitted is %v, want %v", got, want)
			}
		})
	}
}

// TestInboxes (N05): a reply reaches who asked, whoever else listens.
func TestInboxes(t *testing.T) {
	f := open(t)
	thief, asker := f.as(bus.IngressUser), f.as(bus.VerifierEdgeUser)
	stolen, err := thief.SubscribeSync(bus.InboxPrefix(bus.VerifierEdgeUser) + ".>")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, thief)
	m, err := asker.Request("$JS.API.CONSUMER.INFO.DW_RAW.lane-00", nil, 2*time.Second)
	if err != nil || len(m.Data) == 0 {
		t.Fatalf("N05 the asker's own reply: %v, %v", m, err)
	}
	flush(t, thief)
	if m, err := stolen.NextMsg(quiet); err == nil || !errors.Is(err, nats.ErrPermissionViolation) && !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("N05 the thief has %v, %v", m, err)
	}
	t.Run("N05 the verdict's inbox: the verifier writes there, and only one form", func(t *testing.T) {
		f := f.in(t)
		if !f.mayPublish(asker, "_INBOX_ingress.nuid.nuid") {
			t.Error("the permitted form is refused")
		}
		for _, bad := range []string{"_INBOX_ingress.nuid", "_INBOX_ingress.a.b.c", "_INBOX_ingress", "_INBOX_verifier-edge.a.b"} {
			if f.mayPublish(asker, bad) {
				t.Errorf("%s is permitted", bad)
			}
		}
	})
}

// TestClaims (N06): a claim is written once, by the verifier, and nobody takes it back.
func TestClaims(t *testing.T) {
	f := open(t)
	verifier := f.as(bus.VerifierUser)
	claim := func(more nats.Header) (bus.Ack, error) {
		h := nats.Header{bus.ExpectedLastSubjSeq: {"0"}}
		for name, v := range more {
			h[name] = v
		}
		reply, err := verifier.RequestMsg(&nats.Msg{Subject: f.Names.Nonce("github", "digest"), Header: h, Data: []byte("1")}, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return bus.ParseAck(reply)
	}
	if _, err := claim(nil); err != nil {
		t.Fatalf("N06 the first claim: %v", err)
	}
	if _, err := claim(nil); !errors.Is(err, bus.ErrWrongLastSequence) {
		t.Errorf("N06 the second claim: got %v, want ErrWrongLastSequence", err)
	}
	for name, h := range map[string]nats.Header{
		"roll-up of the subject": {"Nats-Rollup": {"sub"}, bus.ExpectedLastSubjSeq: {"1"}},
		"roll-up of the stream":  {"Nats-Rollup": {"all"}, bus.ExpectedLastSubjSeq: {"1"}},
	} {
		t.Run("N06 a marker that deletes: "+name, func(t *testing.T) {
			if _, err := claim(h); err == nil {
				t.Error("accepted")
			}
		})
	}
	if err := f.stream(bus.Core, bus.Nonces).DeleteMsg(context.Background(), 1); err == nil {
		t.Error("N06 the claim was deleted by the set-up")
	}
	f.expectStored(map[bus.Stream]uint64{bus.Nonces: 1})
}
