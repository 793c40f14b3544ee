package attacks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/bus"
)

// role is what one credential may do: written out here by hand, and compared with what the
// server lets it do. A permission that is added to the bus fails here until someone says
// why it is needed.
type role struct {
	publish   []string
	subscribe []string // besides its own inbox
}

func reads(api, stream string) []string {
	return []string{api + ".STREAM.INFO." + stream, api + ".DIRECT.GET." + stream, api + ".DIRECT.GET." + stream + ".>"}
}

func works(api, stream, consumer string) []string {
	return []string{api + ".CONSUMER.INFO." + stream + "." + consumer, api + ".CONSUMER.MSG.NEXT." + stream + "." + consumer, "$JS.ACK." + stream + "." + consumer + ".>"}
}

func roles() map[string]role {
	const js = "$JS.API"
	setup := role{publish: []string{"$JS.API.>"}}
	return map[string]role{
		bus.IngressUser: {publish: []string{"dw.raw.>"}},
		bus.VerifierEdgeUser: {publish: slices.Concat(works(js, "DW_RAW", "*"), []string{
			js + ".CONSUMER.RESET.DW_RAW.*", js + ".CONSUMER.UNPIN.DW_RAW.*", js + ".STREAM.MSG.GET.DW_RAW", js + ".STREAM.PURGE.DW_RAW", "_INBOX_ingress.*.*",
		})},
		bus.VerifierUser: {publish: slices.Concat(
			[]string{"dw.in.>", "dw.nonce.>", "dw.refused.>", "dw.quarantine.>", "dw.held.>", "dw.replay.done.*"},
			reads(js, "DW_VERIFIED"), reads(js, "DW_NONCES"), reads(js, "DW_HELD"), reads(js, "DW_REFUSED"), reads(js, "DW_QUARANTINE"),
			works(js, "DW_REPLAY", "verifier"),
		)},
		bus.DispatcherUser: {publish: slices.Concat(
			[]string{"dw.dead.>", "dw.wait.>", "dw.clock.>", "dw.out.>", "dw.live.>", "dw.replay.done.*", "agents.resume.*"},
			works("dw.js.core", "DW_VERIFIED", "*"), works("dw.js.core", "DW_REPLAY", "dispatcher"),
			reads(js, "DW_DEAD"), reads("dw.js.core", "DW_VERIFIED"),
		)},
		bus.JanitorUser: {publish: []string{"dw.js.core.STREAM.INFO.DW_VERIFIED", "dw.js.core.STREAM.PURGE.DW_VERIFIED", "dw.js.core.CONSUMER.LIST.DW_VERIFIED"}},
		bus.OpsUser: {
			publish: slices.Concat(
				[]string{"dw.replay.order.*.*", "dw.audit.>", "dw.js.edge.STREAM.INFO.DW_RAW", "dw.js.edge.CONSUMER.INFO.DW_RAW.*"},
				[]string{"dw.js.core.CONSUMER.INFO.DW_VERIFIED.*", "dw.js.core.STREAM.INFO.DW_NONCES", "dw.js.out.STREAM.INFO.DW_OUT"},
				reads("dw.js.core", "DW_VERIFIED"), reads("dw.js.core", "DW_REFUSED"), reads("dw.js.core", "DW_QUARANTINE"), reads("dw.js.core", "DW_REPLAY"),
				reads("dw.js.out", "DW_DEAD"), reads("dw.js.audit", "DW_AUDIT"),
			),
			subscribe: []string{"dw.verified.>", "dw.live.>"},
		},
		bus.AppUser:        {subscribe: []string{"dw.verified.>", "dw.resume.>"}},
		bus.AgentUser:      {publish: append(works("dw.js.out", "DW_OUT", "*"), "dw.api.waits.register")},
		bus.SetupEdgeUser:  setup,
		bus.SetupCoreUser:  setup,
		bus.SetupOutUser:   setup,
		bus.SetupAuditUser: setup,
	}
}

// covers says whether a permission covers a subject.
func covers(permission, subject string) bool {
	p, s := strings.Split(permission, "."), strings.Split(subject, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || token != "*" && token != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

func allowed(permissions []string, subject string) bool {
	return slices.ContainsFunc(permissions, func(p string) bool { return covers(p, subject) })
}

// apiCalls are JetStream's calls on one stream and on one of its consumers.
var apiCalls = []string{
	"INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.TEMPLATE.NAMES", "ACCOUNT.PURGE.CORE",
	"STREAM.CREATE.%", "STREAM.UPDATE.%", "STREAM.DELETE.%", "STREAM.INFO.%", "STREAM.PURGE.%", "STREAM.MSG.DELETE.%", "STREAM.MSG.GET.%",
	"STREAM.SNAPSHOT.%", "STREAM.RESTORE.%", "STREAM.LEADER.STEPDOWN.%", "STREAM.PEER.REMOVE.%", "DIRECT.GET.%", "DIRECT.GET.%.dw.x",
	"CONSUMER.CREATE.%", "CONSUMER.CREATE.%.c", "CONSUMER.CREATE.%.c.f", "CONSUMER.DURABLE.CREATE.%.c", "CONSUMER.DELETE.%.c", "CONSUMER.NAMES.%",
	"CONSUMER.LIST.%", "CONSUMER.INFO.%.c", "CONSUMER.INFO.%.verifier", "CONSUMER.INFO.%.dispatcher", "CONSUMER.PAUSE.%.c", "CONSUMER.RESET.%.c",
	"CONSUMER.UNPIN.%.c", "CONSUMER.LEADER.STEPDOWN.%.c", "CONSUMER.MSG.NEXT.%.c", "CONSUMER.MSG.NEXT.%.verifier", "CONSUMER.MSG.NEXT.%.dispatcher",
}

// probes are subjects of everything on the bus: each stream's, the API under every name it
// has, acks, inboxes, the server's own.
func probes(l bus.Layout) []string {
	out := []string{
		"dw.raw.00.github", "dw.raw.x", "dw.in.github.push", "dw.verified.github.push", "dw.nonce.github.d", "dw.refused.github.stale", "dw.quarantine.github.bad_signature",
		"dw.held.github", "dw.replay.order.refused.1", "dw.replay.order.dead.1", "dw.replay.done.1", "dw.replay.done.1.2", "dw.replay.x", "dw.dead.agents.internal",
		"dw.wait.w.open", "dw.wait.w.resume", "dw.resume.w", "dw.clock.x", "dw.out.x", "dw.live.refused.github.stale", "dw.live.delivered.agents", "dw.audit.replay",
		"dw.api.waits.register", "dw.api.waits.x", "dw.x", "agents.resume.t", "agents.other.t", "x", "$KV.nonce.x", "$OBJ.x", "$JSC.CI.x", "$JS.FC.DW_RAW.c.x", "$JS.EVENT.ADVISORY.x", "$JS.M.x",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.CORE.CONNZ", "$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.CORE.CONNECT", "$MQTT.x", "$SRV.PING", "$G.x", "_R_.x", "_INBOX.x.y",
	}
	for _, api := range []string{bus.APILocal, bus.APIEdge, bus.APICore, bus.APIOut, bus.APIAudit} {
		for _, d := range l.Streams() {
			for _, call := range apiCalls {
				out = append(out, api+"."+strings.ReplaceAll(call, "%", d.Config.Name))
			}
		}
	}
	for _, d := range l.Streams() {
		for _, consumer := range []string{"c", "verifier", "dispatcher"} {
			out = append(out, "$JS.ACK."+d.Config.Name+"."+consumer+".1.1.1.1.0")
		}
	}
	for _, id := range l.Identities() {
		out = append(out, bus.InboxPrefix(id.Name)+".x.y", bus.InboxPrefix(id.Name)+".x")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestPublishPermissions (N01, N04, N06): every credential against every kind of subject.
// What it may is tried as well: the permitted twins.
func TestPublishPermissions(t *testing.T) {
	f := open(t)
	subjects := probes(f.Layout)
	for _, id := range f.Layout.Identities() {
		t.Run("N01 N04 N06 "+id.Name+" publishes what it may and nothing else", func(t *testing.T) {
			f := f.in(t)
			want, ok := roles()[id.Name]
			if !ok {
				t.Fatalf("the identity %s is not in this test's table", id.Name)
			}
			nc := f.as(id.Name)
			tried := 0
			for _, subject := range subjects {
				may := allowed(want.publish, subject)
				if may && strings.HasPrefix(id.Name, "setup-") {
					continue // it would delete what the others are tried on; its right is shown by the bus being there
				}
				tried++
				if got := f.mayPublish(nc, subject); got != may {
					t.Errorf("%s: permitted %t, want %t", subject, got, may)
				}
			}
			if tried < len(subjects)/6 {
				t.Errorf("only %d of %d subjects were tried", tried, len(subjects))
			}
			for _, p := range want.publish {
				if !slices.Contains(id.Publish, p) {
					t.Errorf("%s is permitted here and not by the bus", p)
				}
			}
			if len(id.Publish) != len(want.publish) {
				t.Errorf("the bus permits %q", id.Publish)
			}
		})
	}
}

// TestSubscribePermissions (N01, N05): nobody listens where another's messages pass.
func TestSubscribePermissions(t *testing.T) {
	f := open(t)
	subjects := append(probes(f.Layout), ">", "*", "dw.>", "dw.*.>", "dw.raw.>", "dw.in.>", "dw.verified.>", "dw.verified.github.>", "dw.nonce.>", "dw.refused.>", "dw.quarantine.>",
		"dw.replay.>", "dw.dead.>", "dw.resume.>", "dw.live.>", "dw.audit.>", "dw.api.>", "_INBOX.>", "_INBOX*.>", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.>", "$SYS.>", "$KV.>", "_R_.>", "_GR_.>")
	for _, id := range f.Layout.Identities() {
		subjects = append(subjects, bus.InboxPrefix(id.Name)+".>")
	}
	for _, id := range f.Layout.Identities() {
		t.Run("N01 N05 "+id.Name+" hears what it may and nothing else", func(t *testing.T) {
			f := f.in(t)
			want := append(roles()[id.Name].subscribe, bus.InboxPrefix(id.Name)+".>")
			nc := f.as(id.Name)
			for _, subject := range subjects {
				if got, may := f.maySubscribe(nc, subject), allowed(want, subject); got != may {
					t.Errorf("%s: permitted %t, want %t", subject, got, may)
				}
			}
		})
	}
}
