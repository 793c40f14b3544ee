package attacks_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/tests/harness"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"
)

// aged is a server that speaks just enough NATS to say how old it is.
func aged(t *testing.T, version string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go greet(conn, version)
		}
	}()
	return "nats://" + l.Addr().String()
}

func greet(conn net.Conn, version string) {
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "INFO {\"server_id\":\"x\",\"version\":%q,\"proto\":1,\"headers\":true,\"auth_required\":true,\"nonce\":\"n\",\"max_payload\":1048576}\r\n", version)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "PING" {
			_, _ = conn.Write([]byte("PONG\r\n"))
		}
	}
}

func seed() ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	return pair.Seed()
}

// TestServerVersion (N08): servers with known holes in their permissions are refused before
// anything is published.
func TestServerVersion(t *testing.T) {
	for version, want := range map[string]bool{
		"2.12.6": true, "2.12.7": true, "2.13.0": true, "2.15.2": true, "3.0.0": true, "2.13.0-beta.1": true,
		"2.12.5": false, "2.11.15": false, "2.9.25": false, "1.4.1": false, "2.12.6-RC.1": false, "": false, "dev": false, "2.12": false,
	} {
		t.Run(fmt.Sprintf("N08 version %q", version), func(t *testing.T) {
			dial := bus.Dial{URL: aged(t, version), Log: zerolog.Nop(), Seeds: func(string) ([]byte, error) { return seed() }}
			nc, err := dial.Connect(bus.IngressUser)
			if err == nil {
				nc.Close()
			}
			if got := err == nil; got != want || !want && !errors.Is(err, bus.ErrServerTooOld) {
				t.Errorf("connected %t, %v; want %t", got, err, want)
			}
			if !want && err != nil && !strings.Contains(err.Error(), "2.12.6") {
				t.Errorf("the error does not say what is needed: %v", err)
			}
		})
	}
	t.Run("N08 the embedded server", func(t *testing.T) {
		open(t).as(bus.IngressUser)
	})
}

// TestNobodyIsAnonymous (N09): no key, another key and no listener but the loopback.
func TestNobodyIsAnonymous(t *testing.T) {
	f := open(t)
	connect := func(options ...nats.Option) error {
		nc, err := nats.Connect(f.Server.URL(), options...)
		if err == nil {
			nc.Close()
		}
		return err
	}
	if err := connect(); err == nil {
		t.Error("N09 without a credential: connected")
	}
	if err := connect(nats.UserInfo("ingress", "ingress")); err == nil {
		t.Error("N09 by name and password: connected")
	}
	s, err := seed()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.FromSeed(s)
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := connect(nats.Nkey(public, pair.Sign)); err == nil {
		t.Error("N09 with an nkey that nobody gave out: connected")
	}
	f.as(bus.IngressUser) // with its own
}

// TestListener (N09): the embedded server listens on the loopback alone, and the accounts
// that are rendered for a cluster open nothing else.
func TestListener(t *testing.T) {
	layout := harness.Layout(harness.Options{})
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "localhost:0", "127.0.0.1", "127.0.0.1:x"} {
		t.Run("N09 listen on "+listen, func(t *testing.T) {
			s, err := embedded.Start(embedded.Settings{Store: t.TempDir(), Listen: listen, MaxBytes: 1 << 30, Layout: layout, Log: zerolog.Nop()})
			if err == nil {
				_ = s.Stop()
				t.Error("started")
			}
		})
	}
	t.Run("N09 the rendered accounts", func(t *testing.T) {
		keys := map[string]string{}
		for _, id := range layout.Identities() {
			keys[id.Name] = "U" + strings.Repeat("A", 55)
		}
		text := layout.ServerConfig(keys)
		for _, word := range []string{"http", "monitor", "websocket", "mqtt", "leafnodes", "gateway", "no_auth_user", "password", "default_permissions"} {
			if strings.Contains(text, word) {
				t.Errorf("it holds %q", word)
			}
		}
		if n := strings.Count(text, "permissions:"); n != len(layout.Identities()) {
			t.Errorf("%d of %d users have permissions", n, len(layout.Identities()))
		}
	})
}
