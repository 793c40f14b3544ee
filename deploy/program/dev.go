package program

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/config"
)

// DevDir is where `serve --dev` keeps its configuration, secrets and state.
const DevDir = ".doorward"

// devConfig is ready to use: background workers post status reports, and each report of a
// task that has an id resumes whoever waits on agents.resume.<task id>.
const devConfig = `# Made by doorward serve --dev. Yours to change: it is read again when you save it.
version: 1
nats: { embedded: { store: ./data, listen: "127.0.0.1:4222" } }
ingress: { listen: "127.0.0.1:8080" }
admin: { listen: "127.0.0.1:9090" }
sources:
  agents:                                   # background workers: POST http://127.0.0.1:8080/in/agents
    verify:
      provider: standard-webhooks
      keys: [ { id: dev-1, secret: "file:secrets/agents" } ]
      tolerance: 5m
    event:
      type: '= "agent.task." + body.status'
      subject: = body.task_id
      correlationid: = body.task_id
targets:
  agents: { from: [agents], when: 'event.correlationid != ""', nats: { subject: "agents.resume.{correlationid}" } }
`

// EnsureDev writes a ready configuration with a fresh secret into dir on first use, and
// returns its path. What is there already is left alone.
func EnsureDev(dir string) (string, error) {
	path := filepath.Join(dir, "doorward.yaml")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
		return "", fmt.Errorf("write the first configuration: %w", err)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(raw)
	if err := os.WriteFile(filepath.Join(dir, "secrets", "agents"), []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the first secret: %w", err)
	}
	if err := os.WriteFile(path, []byte(devConfig), 0o600); err != nil {
		return "", fmt.Errorf("write the first configuration: %w", err)
	}
	return path, nil
}

// welcome prints where to post and what to paste next.
func (p *process) welcome(ingress string) {
	program := os.Args[0]
	if strings.HasPrefix(program, os.TempDir()) {
		program = "doorward"
	}
	_, _ = fmt.Fprintf(p.o.Stdout, `doorward %s
  post to      http://%s/in/agents      configuration %s
  subscribe    %s nats creds
  operate      http://%s (token in the state directory; the commands below find it)
  durability   %s

Send a signed webhook from another terminal:

  %s send agents -d '{"task_id":"t-1","status":"completed"}' --follow

`, p.o.Version, ingress, p.o.ConfigPath, program, p.cfg.Admin.Listen, durabilityLine(p.cfg.NATS.Durability), program)
}

func durabilityLine(d config.Durability) string {
	if d == config.Process {
		return "process: a 2xx survives the death of the process, not the loss of power"
	}
	return "power-loss: a 2xx means synced to disk"
}

// viewer shows each delivery as it passes the doors.
func (p *process) viewer(admin string, token config.Secret) door {
	client := &api.Client{URL: "http://" + admin, Token: string(token.Reveal())}
	run := func(ctx context.Context) error {
		for ctx.Err() == nil {
			p.view(ctx, client)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
		return nil
	}
	return door{"viewer", run, nil, func() error { return nil }}
}

func (p *process) view(ctx context.Context, client *api.Client) {
	stream, err := client.Steps(ctx)
	if err != nil {
		return
	}
	defer func() { _ = stream.Close() }()
	for {
		m, err := stream.Next()
		if err != nil {
			return
		}
		var s api.Passing
		if json.Unmarshal(m.Data, &s) == nil {
			_, _ = fmt.Fprintln(p.o.Stdout, stepLine(s))
		}
	}
}

// stepLine is one line of the live view; nothing in it can steer a terminal.
func stepLine(p api.Passing) string {
	line := fmt.Sprintf("%s  %-10s %-11s %-12s %s", p.Step.At.Local().Format("15:04:05.000"), p.Step.Door, p.Step.What, p.Source, p.Step.Subject)
	if p.Step.Reason != "" {
		line += "  " + p.Step.Reason + ": " + p.Step.Fix
	}
	return printable(fmt.Sprintf("%s  %s +%.1fms", line, p.ID, p.Step.AfterMillis))
}

// printable escapes whatever is not a plain printable character.
func printable(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
