package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// subject is one measured program.
type subject struct {
	name string
	// start runs it in a fresh directory.
	start func(ctx context.Context, o options, dir string, sync bool) (*child, error)
	// endToEnd counts until a subscriber sees the event, else until the answer.
	endToEnd bool
}

// child is a measured program under way.
type child struct {
	cmd  *exec.Cmd
	http string
	nc   *nats.Conn // of the subscriber
	sub  string     // what the subscriber listens to
	id   string     // header that holds the request's id
}

var subjects = []subject{
	{"floor accept", startFloor("floor-accept"), false},
	{"accepting", startFloor("accept"), false},
	{"floor two-hop", startFloor("floor-two-hop"), true},
	{"end to end", startDoorward, true},
}

// startFloor runs this very binary as one of the floors, or as the outer door alone.
func startFloor(role string) func(context.Context, options, string, bool) (*child, error) {
	return func(ctx context.Context, _ options, dir string, sync bool) (*child, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		c := &child{cmd: exec.CommandContext(ctx, self, "-role", role, "-store", dir, "-sync="+strconv.FormatBool(sync)), sub: "out", id: "Nats-Msg-Id"}
		out, err := c.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		c.cmd.Stderr = os.Stderr
		if err := c.cmd.Start(); err != nil {
			return nil, err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return nil, err
		}
		var url string
		if _, err := fmt.Sscanf(line, "http=%s nats=%s", &c.http, &url); err != nil {
			return nil, err
		}
		if url == "none" {
			return c, nil
		}
		c.nc, err = nats.Connect(url)
		return c, err
	}
}

const benchConfig = `version: 1
nats: { embedded: { store: ./data, listen: "127.0.0.1:%d", max_bytes: 40GiB }, durability: %s }
ingress: { listen: "127.0.0.1:%d" }
admin: { listen: "127.0.0.1:%d" }
verifier: { memory_budget: 8GiB }
streams: { raw: { max_bytes: 8GiB, max_messages: 0 }, verified: { max_bytes: 16GiB } }
sources:
  agents:
    verify: { provider: standard-webhooks, keys: [ { id: bench, secret: "file:secret" } ], retry_horizon: 6m }
    event: { type: '= "agent.task." + body.status', subject: = body.task_id, correlationid: = body.task_id }
`

// startDoorward runs the binary as a user does, with a configuration of its own.
func startDoorward(ctx context.Context, o options, dir string, sync bool) (*child, error) {
	const natsPort, httpPort, adminPort = 24222, 28080, 29090
	config := fmt.Sprintf(benchConfig, natsPort, durabilityName(sync), httpPort, adminPort)
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "secret"), []byte("whsec_"+benchSecret), 0o600),
		os.WriteFile(filepath.Join(dir, "doorward.yaml"), []byte(config), 0o600)); err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, o.doorward, "serve", "--config", filepath.Join(dir, "doorward.yaml")), http: fmt.Sprintf("127.0.0.1:%d", httpPort), sub: "dw.verified.>", id: "ce-id"}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	c.cmd.Stderr = log
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if conn, dialled := net.Dial("tcp", c.http); dialled == nil { // the ingress starts last
			_ = conn.Close()
			if c.nc, err = connectApp(dir, natsPort); err == nil {
				return c, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "log"))
	return nil, fmt.Errorf("doorward did not start: %w\n%s", err, text)
}

func connectApp(dir string, port int) (*nats.Conn, error) {
	key, err := nats.NkeyOptionFromSeed(filepath.Join(dir, "data", "nkeys", "app.nk"))
	if err != nil {
		return nil, err
	}
	return nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", port), key, nats.CustomInboxPrefix("_INBOX_app"))
}

func (c *child) stop() {
	if c.nc != nil {
		c.nc.Close()
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// cpu is the processor time that the child has used so far.
func (c *child) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// one measures one program at one rate; 0 is saturation.
func one(ctx context.Context, s subject, o options, sync bool, rate float64, tag string) (result, error) {
	dir, err := os.MkdirTemp("", "doorward-bench-")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c, err := s.start(ctx, o, dir, sync)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", s.name, err)
	}
	defer c.stop()
	seen := newSeenAt()
	if s.endToEnd {
		sub, err := c.nc.Subscribe(c.sub, func(m *nats.Msg) { seen.seen(m.Header.Get(c.id)) })
		if err != nil {
			return result{}, err
		}
		_ = sub.SetPendingLimits(-1, -1)
		if err := c.nc.Flush(); err != nil {
			return result{}, err
		}
	}
	warm := load{addr: c.http, conns: 8, length: 700 * time.Millisecond, next: prepare(4000, tag+"w")}
	if _, _, err := warm.run(ctx); err != nil {
		return result{}, fmt.Errorf("%s: warm up: %w", s.name, err)
	}
	n := int(o.length.Seconds() * 40_000)
	if rate > 0 {
		n = int(o.length.Seconds()*rate) + o.conns
	}
	l := load{addr: c.http, conns: o.conns, rate: rate, length: o.length, next: prepare(n, tag)}
	if s.endToEnd {
		l.seen = seen
	}
	return c.take(ctx, s, l)
}

// take runs the load and waits, end to end, for what is still on its way.
func (c *child) take(ctx context.Context, s subject, l load) (result, error) {
	before, start := c.cpu(), time.Now()
	t, took, err := l.run(ctx)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", s.name, err)
	}
	n, hist := t.n.Load(), t.hist
	if s.endToEnd {
		for deadline := time.Now().Add(30 * time.Second); l.seen.n.Load() < n && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		took = time.Since(start)
		if missing := n - l.seen.n.Load(); missing > 0 {
			return result{}, fmt.Errorf("%s: %d of %d events were never seen", s.name, missing, n)
		}
		hist = l.seen.hist
	}
	return result{
		rate: float64(n) / took.Seconds(), cpu: (c.cpu() - before) / time.Duration(max(n, 1)),
		p50: time.Duration(hist.ValueAtQuantile(50)) * time.Microsecond, p99: time.Duration(hist.ValueAtQuantile(99)) * time.Microsecond,
	}, nil
}
