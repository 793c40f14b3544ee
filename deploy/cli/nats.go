package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/deploy/program"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/spf13/cobra"
)

func (a *app) natsVerbs() *cobra.Command {
	return group("nats", "Connect to the bus, or set up a cluster for it", a.natsCreds(), a.natsSetup(), a.natsConfig())
}

// connection is how one identity reaches the bus.
type connection struct {
	Identity string   `json:"identity"`
	Server   string   `json:"server"`
	NKey     string   `json:"nkey"` // the file with its seed
	Inbox    string   `json:"inbox_prefix"`
	Commands []recipe `json:"commands"`
}

// recipe is a command for the nats CLI.
type recipe struct {
	What    string `json:"what"`
	Command string `json:"command"`
}

func (a *app) natsCreds() *cobra.Command {
	identities := []string{bus.AppUser, bus.AgentUser, bus.OpsUser}
	return &cobra.Command{
		Use:   "creds [app|agent|ops]",
		Short: "Print how to connect with the nats CLI",
		Long: `Print how to connect with the nats CLI, or any NATS client:

  app    subscribes to verified events and resumes (the default)
  agent  pulls the events that a NATS target keeps for agents
  ops    watches everything as it passes; it owns nothing

The nkey file is a secret: whoever can read it is that identity.`,
		Args:      takesOneOf("identity", identities...),
		ValidArgs: identities,
		RunE: func(_ *cobra.Command, args []string) error {
			identity := bus.AppUser
			if len(args) == 1 {
				identity = args[0]
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			c, err := connect(cfg, identity)
			if err != nil {
				return err
			}
			return emit[any](a, c, nil, func(*grid) { a.printRecipes(c) })
		},
	}
}

func connect(cfg *config.Config, identity string) (connection, error) {
	c := connection{Identity: identity, Server: cfg.NATS.URL, Inbox: bus.InboxPrefix(identity)}
	if e := cfg.NATS.Embedded; e != nil {
		c.Server, c.NKey = "nats://"+e.Listen, embedded.SeedPath(e.Store, identity)
	} else {
		file, ok := strings.CutPrefix(string(cfg.NATS.Credentials[identity]), "file:")
		if !ok {
			return c, fail(ExitNotFound, "nats.credentials names no file for %s", identity).try("its nkey is made where the cluster is: see `doorward nats config`")
		}
		c.NKey = file
	}
	base := "nats --server " + quotedIfNeeded(c.Server) + " --nkey " + quotedIfNeeded(c.NKey)
	if cfg.NATS.CA != "" {
		base += " --tlsca " + quotedIfNeeded(cfg.NATS.CA)
	}
	c.Commands = recipes(cfg, identity, base)
	return c, nil
}

func recipes(cfg *config.Config, identity, base string) []recipe {
	n := bus.NewNames(cfg.NATS.Prefix)
	asking := base + " --inbox-prefix " + bus.InboxPrefix(identity)
	switch identity {
	case bus.AgentUser:
		var out []recipe
		for _, name := range slices.Sorted(maps.Keys(cfg.Targets)) {
			if cfg.Targets[name].NATS != nil {
				out = append(out, recipe{"take the next event of target " + name,
					asking + " --js-api-prefix " + bus.APIOut + " consumer next " + n.Stream(bus.Outbox) + " " + bus.ReaderConsumer(name) + " --count 1"})
			}
		}
		return out
	case bus.OpsUser:
		return []recipe{
			{"watch every step as it passes", base + " sub " + quoted(n.All("live"))},
			{"watch verified events", base + " sub " + quoted(n.All("verified"))},
			{"look at the verified stream", asking + " --js-api-prefix " + bus.APICore + " stream info " + n.Stream(bus.Verified)},
		}
	}
	return []recipe{
		{"watch verified events", base + " sub " + quoted(n.All("verified"))},
		{"watch resumes", base + " sub " + quoted(n.All("resume"))},
	}
}

func (a *app) printRecipes(c connection) {
	for _, r := range c.Commands {
		_, _ = fmt.Fprintf(a.Stdout, "# %s\n%s\n", printable(r.What), printable(r.Command))
	}
	if len(c.Commands) == 0 {
		a.note("no target of the configuration keeps events for agents")
	}
}

// quotedIfNeeded leaves plain words of a shell as they are.
func quotedIfNeeded(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:,@+=", r))
	}) {
		return text
	}
	return quoted(text)
}

func (a *app) natsSetup() *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Create the streams and consumers on an external cluster",
		Long: `Create the streams and consumers on an external cluster, with the setup identities of nats.credentials. It
can be repeated. What exists and differs is refused by name and left as it is.`,
		Args: takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := a.configPath()
			if err != nil {
				return err
			}
			if err := program.Setup(c.Context(), path); err != nil {
				return err
			}
			a.note("the bus is set up")
			return nil
		},
	}
}

func (a *app) natsConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the accounts, users and permissions for a nats-server configuration",
		Long: `Print the accounts, users and permissions for a nats-server configuration, for the identities in
nats.credentials. It holds public keys only.`,
		Example: "  doorward nats config > accounts.conf   # then, in nats-server.conf: include accounts.conf",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.configPath()
			if err != nil {
				return err
			}
			text, err := program.NATSConfig(path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.Stdout, text)
			return err
		},
	}
}
