package bus

import "slices"

// Identity is one user of the bus: an account, what it may publish and what it may read.
// Each has an nkey of its own and an inbox prefix of its own.
type Identity struct {
	Name    string
	Account string
	Publish []string // nil denies everything
	Read    []string
}

// Names of the identities, as they stand in nats.credentials.
const (
	IngressUser      = "ingress"
	VerifierEdgeUser = "verifier-edge"
	VerifierUser     = "verifier"
	DispatcherUser   = "dispatcher"
	JanitorUser      = "janitor"
	OpsUser          = "ops"
	AppUser          = "app"
	AgentUser        = "agent"
	SetupEdgeUser    = "setup-edge"
	SetupCoreUser    = "setup-core"
	SetupOutUser     = "setup-out"
	SetupAuditUser   = "setup-audit"
)

// InboxPrefix is under which an identity receives replies; nobody else may read there.
func InboxPrefix(identity string) string { return "_INBOX_" + identity }

// SetupUser is the identity that creates an account's streams.
func SetupUser(account string) string {
	return map[string]string{Edge: SetupEdgeUser, Core: SetupCoreUser, Out: SetupOutUser, Audit: SetupAuditUser}[account]
}

// Identities is the table of users with the least each needs. Streams and consumers are
// created by the setup users alone.
func (l Layout) Identities() []Identity {
	n := l.Names
	raw, verified, replay := n.Stream(Raw), n.Stream(Verified), n.Stream(Replay)
	table := []Identity{
		{Name: IngressUser, Account: Edge, Publish: []string{n.All("raw")}},
		{Name: VerifierEdgeUser, Account: Edge, Publish: append(
			pull(APILocal, raw, "*"),
			APILocal+".CONSUMER.RESET."+raw+".*",
			APILocal+".CONSUMER.UNPIN."+raw+".*",
			APILocal+".STREAM.PURGE."+raw,   // removes what is settled
			APILocal+".STREAM.MSG.GET."+raw, // finds what lies below a consumer's ack floor
			InboxPrefix(IngressUser)+".*.*", // verdicts, and nothing else in EDGE
		)},
		{Name: VerifierUser, Account: Core, Publish: slices.Concat(
			[]string{n.All("in"), n.All("nonce"), n.All("refused"), n.All("quarantine"), n.All("held"), n.ReplayDone("*")},
			look(APILocal, verified), look(APILocal, n.Stream(Nonces)), look(APILocal, n.Stream(Held)),
			look(APILocal, n.Stream(Refused)), look(APILocal, n.Stream(Quarantine)),
			pull(APILocal, replay, ReplayVerifier),
		)},
		{Name: DispatcherUser, Account: Out, Publish: slices.Concat(
			pull(APICore, verified, "*"), pull(APICore, replay, ReplayDispatcher),
			[]string{n.All("dead"), n.All("wait"), n.All("clock"), n.All("out"), n.All("live"), n.ReplayDone("*")},
			look(APILocal, n.Stream(Dead)), look(APICore, verified), l.targetSubjects(),
		)},
		// Not in CORE: whoever may ask for anything there makes the answer appear on dw.in.
		{Name: JanitorUser, Account: Ops, Publish: []string{
			APICore + ".STREAM.INFO." + verified, APICore + ".STREAM.PURGE." + verified, APICore + ".CONSUMER.LIST." + verified,
		}},
		{Name: OpsUser, Account: Ops, Publish: l.opsMay(), Read: []string{n.All("verified"), n.All("live")}},
		{Name: AppUser, Account: Apps, Read: []string{n.All("verified"), n.All("resume")}},
		{Name: AgentUser, Account: Agents, Publish: append(pull(APIOut, n.Stream(Outbox), "*"), n.join("api", "waits", "register"))},
	}
	for _, account := range []string{Edge, Core, Out, Audit} {
		table = append(table, Identity{Name: SetupUser(account), Account: account, Publish: []string{APILocal + ".>"}})
	}
	return table
}

// pull is what working a consumer takes; the delivered reply keeps $JS.ACK even across accounts.
func pull(api, stream, consumer string) []string {
	return []string{
		api + ".CONSUMER.INFO." + stream + "." + consumer,
		api + ".CONSUMER.MSG.NEXT." + stream + "." + consumer,
		"$JS.ACK." + stream + "." + consumer + ".>",
	}
}

// look is what reading a stream by sequence, time or subject takes; nothing is consumed.
func look(api, stream string) []string {
	return []string{api + ".STREAM.INFO." + stream, api + ".DIRECT.GET." + stream, api + ".DIRECT.GET." + stream + ".>"}
}

// opsMay: see everything that is not a sender's secret, order replays, write the audit.
func (l Layout) opsMay() []string {
	n := l.Names
	return slices.Concat(
		[]string{APIEdge + ".STREAM.INFO." + n.Stream(Raw), APIEdge + ".CONSUMER.INFO." + n.Stream(Raw) + ".*"},
		look(APICore, n.Stream(Verified)), look(APICore, n.Stream(Refused)), look(APICore, n.Stream(Quarantine)), look(APICore, n.Stream(Replay)),
		[]string{APICore + ".CONSUMER.INFO." + n.Stream(Verified) + ".*", APICore + ".STREAM.INFO." + n.Stream(Nonces)},
		look(APIOut, n.Stream(Dead)), []string{APIOut + ".STREAM.INFO." + n.Stream(Outbox)},
		look(APIAudit, n.Stream(AuditLog)),
		[]string{n.join("replay", "order", "*", "*"), n.All("audit")},
	)
}

func (l Layout) targetSubjects() []string {
	var out []string
	for _, t := range l.Targets {
		if t.Subject != "" {
			out = append(out, t.Subject)
		}
	}
	return out
}
