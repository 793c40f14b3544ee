package bus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// export is one subject an account offers, and to whom.
type export struct {
	kind     string // "service" or "stream"
	subject  string
	from, to string // accounts
	// as is the prefix under which the importer sees an API subject, so that an account
	// with a JetStream of its own keeps $JS.API; "" keeps the subject.
	as string
	// many marks a service that answers with more than one message. Without it a pull of
	// ten messages gave one, and nine hung until their ack wait.
	many bool
}

// crossings is the table of everything that crosses from one account into another.
func (l Layout) crossings() []export {
	n := l.Names
	verified, outbox := n.Stream(Verified), n.Stream(Outbox)
	out := []export{
		{kind: "stream", subject: n.All("verified"), from: Core, to: Apps},
		{kind: "stream", subject: n.All("verified"), from: Core, to: Ops},
		{kind: "stream", subject: n.All("live"), from: Core, to: Ops},
		{kind: "stream", subject: n.All("live"), from: Out, to: Ops},
		{kind: "stream", subject: n.All("resume"), from: Out, to: Apps},
		{kind: "service", subject: n.join("replay", "order", "*", "*"), from: Core, to: Ops},
		{kind: "service", subject: n.ReplayDone("*"), from: Core, to: Out},
		{kind: "service", subject: n.All("audit"), from: Audit, to: Ops},
		{kind: "service", subject: n.join("api", "waits", "register"), from: Out, to: Agents},
	}
	out = append(out, crossPull(Core, Out, APICore, verified, "*")...)
	out = append(out, crossPull(Core, Out, APICore, n.Stream(Replay), ReplayDispatcher)...)
	out = append(out, crossLook(Core, Out, APICore, verified)...)
	out = append(out, crossPull(Out, Agents, APIOut, outbox, "*")...)
	out = append(out,
		export{kind: "service", subject: APILocal + ".STREAM.INFO." + n.Stream(Raw), from: Edge, to: Ops, as: APIEdge},
		export{kind: "service", subject: APILocal + ".CONSUMER.INFO." + n.Stream(Raw) + ".*", from: Edge, to: Ops, as: APIEdge},
		export{kind: "service", subject: APILocal + ".CONSUMER.INFO." + verified + ".*", from: Core, to: Ops, as: APICore},
		export{kind: "service", subject: APILocal + ".CONSUMER.LIST." + verified, from: Core, to: Ops, as: APICore},
		export{kind: "service", subject: APILocal + ".STREAM.PURGE." + verified, from: Core, to: Ops, as: APICore},
		export{kind: "service", subject: APILocal + ".STREAM.INFO." + n.Stream(Nonces), from: Core, to: Ops, as: APICore},
		export{kind: "service", subject: APILocal + ".STREAM.INFO." + outbox, from: Out, to: Ops, as: APIOut},
	)
	for _, s := range []Stream{Verified, Refused, Quarantine, Replay} {
		out = append(out, crossLook(Core, Ops, APICore, n.Stream(s))...)
	}
	out = append(out, crossLook(Out, Ops, APIOut, n.Stream(Dead))...)
	return append(out, crossLook(Audit, Ops, APIAudit, n.Stream(AuditLog))...)
}

// crossPull lets another account work a consumer, by name; it can neither create nor delete one.
func crossPull(from, to, as, stream, consumer string) []export {
	return []export{
		{kind: "service", subject: APILocal + ".CONSUMER.MSG.NEXT." + stream + "." + consumer, from: from, to: to, as: as, many: true},
		{kind: "service", subject: APILocal + ".CONSUMER.INFO." + stream + "." + consumer, from: from, to: to, as: as},
		{kind: "service", subject: "$JS.ACK." + stream + "." + consumer + ".>", from: from, to: to},
	}
}

// crossLook lets another account read a stream without consuming.
func crossLook(from, to, as, stream string) []export {
	return []export{
		{kind: "service", subject: APILocal + ".STREAM.INFO." + stream, from: from, to: to, as: as},
		{kind: "service", subject: APILocal + ".DIRECT.GET." + stream, from: from, to: to, as: as, many: true},
		{kind: "service", subject: APILocal + ".DIRECT.GET." + stream + ".>", from: from, to: to, as: as, many: true},
	}
}

// ServerConfig renders the accounts block of a nats-server configuration: accounts,
// exports, imports, users and permissions. keys maps an identity to its public nkey;
// an identity without a key is left out, so nobody can be it.
func (l Layout) ServerConfig(keys map[string]string) string {
	var b strings.Builder
	b.WriteString("system_account: SYS\naccounts {\n  SYS: {}\n")
	exports, imports := l.sides()
	for _, account := range []string{Edge, Core, Out, Apps, Agents, Ops, Audit} {
		fmt.Fprintf(&b, "  %s: {\n", account)
		if SetupUser(account) != "" {
			b.WriteString("    jetstream: enabled\n")
		}
		writeList(&b, "exports", exports[account])
		writeList(&b, "imports", imports[account])
		writeList(&b, "users", l.users(account, keys))
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// sides splits the crossings into what each account exports and imports. Exports of one
// subject to several accounts are one line.
func (l Layout) sides() (exports, imports map[string][]string) {
	type key struct{ from, kind, subject string }
	offered := map[key][]string{}
	many := map[key]bool{}
	imports = map[string][]string{}
	for _, e := range l.crossings() {
		k := key{e.from, e.kind, e.subject}
		offered[k] = append(offered[k], e.to)
		many[k] = e.many
		imports[e.to] = append(imports[e.to], importLine(e))
	}
	exports = map[string][]string{}
	for k, to := range offered {
		slices.Sort(to)
		response := ""
		if many[k] {
			response = ", response: stream"
		}
		exports[k.from] = append(exports[k.from], fmt.Sprintf("{%s: %q%s, accounts: [%s]}", k.kind, k.subject, response, strings.Join(to, ", ")))
	}
	for lines := range maps.Values(exports) {
		slices.Sort(lines)
	}
	return exports, imports
}

func importLine(e export) string {
	line := fmt.Sprintf("{%s: {account: %s, subject: %q}", e.kind, e.from, e.subject)
	if e.as != "" {
		line += fmt.Sprintf(", to: %q", e.as+strings.TrimPrefix(e.subject, APILocal))
	}
	return line + "}"
}

func (l Layout) users(account string, keys map[string]string) []string {
	var out []string
	for _, id := range l.Identities() {
		if id.Account != account || keys[id.Name] == "" {
			continue
		}
		read := append([]string{InboxPrefix(id.Name) + ".>"}, id.Read...)
		out = append(out, fmt.Sprintf("{nkey: %s, permissions: {publish: %s, subscribe: {allow: %s}}}", keys[id.Name], publishRule(id.Publish), quoteAll(read)))
	}
	return out
}

func publishRule(subjects []string) string {
	if len(subjects) == 0 {
		return `{deny: ">"}`
	}
	return "{allow: " + quoteAll(subjects) + "}"
}

func quoteAll(subjects []string) string {
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func writeList(b *strings.Builder, name string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "    %s: [\n", name)
	for _, line := range lines {
		fmt.Fprintf(b, "      %s\n", line)
	}
	b.WriteString("    ]\n")
}
