package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/deploy/program"
	"github.com/doorward/doorward/shared/config"
)

// places are where a configuration is looked for when none is named.
var places = []string{"doorward.yaml", ".doorward/doorward.yaml"}

// configPath is the configuration that is meant: flag, environment, then the usual places.
func (a *app) configPath() (string, error) {
	named := a.config
	if named == "" {
		named = a.Env("DOORWARD_CONFIG")
	}
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", fail(ExitConfig, "read the configuration: %v", err).because(err)
		}
		return named, nil
	}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fail(ExitConfig, "there is no configuration: neither %s nor %s", places[0], places[1]).
		try("name one with --config, or let `doorward serve --dev` write one")
}

// load reads the configuration. Beside mistakes in the file the Config holds what has none.
func (a *app) load() (*config.Config, error) {
	path, err := a.configPath()
	if err != nil {
		return nil, err
	}
	cfg, err := program.Load(path)
	if cfg == nil {
		return nil, fail(ExitConfig, "%v", err).because(err)
	}
	return cfg, err
}

// client speaks to the operators' API.
func (a *app) client() (*api.Client, error) {
	address, token := a.admin, a.Env("DOORWARD_TOKEN")
	if address == "" {
		address = a.Env("DOORWARD_ADMIN")
	}
	if address == "" || token == "" {
		cfg, err := a.load()
		if cfg == nil {
			return nil, err
		}
		if err != nil { // the running server may well have the version before
			a.note("the configuration has mistakes: see `doorward config check`")
		}
		if address == "" {
			address = "http://" + cfg.Admin.Listen
		}
		if token == "" {
			if token, err = adminToken(cfg); err != nil {
				return nil, err
			}
		}
	}
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	return &api.Client{URL: address, Token: token, HTTP: a.http()}, nil
}

// adminToken is the one in the configuration, or the one that the embedded server's state keeps.
func adminToken(cfg *config.Config) (string, error) {
	ref := cfg.Admin.Token
	if ref == "" && cfg.NATS.Embedded != nil {
		ref = config.Ref("file:" + embedded.SecretPath(cfg.NATS.Embedded.Store, "admin"))
	}
	if ref == "" {
		return "", fail(ExitConfig, "no token for the operators' API").try("set admin.token, or give it in $DOORWARD_TOKEN")
	}
	secret, err := ref.Resolve()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fail(ExitUnreachable, "no token for the operators' API: %v", err).because(err).
			try("is `doorward serve` running with this configuration? It makes the token when it first starts")
	case errors.Is(err, fs.ErrPermission):
		return "", fail(ExitDenied, "read the token of the operators' API: %v", err).because(err)
	case err != nil:
		return "", fail(ExitConfig, "read the token of the operators' API: %v", err).because(err)
	}
	return string(secret.Reveal()), nil
}

// checkAddress keeps the token from travelling in the clear.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usage("--admin %q is not an http or https URL", address)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return usage("--admin %s would send the token in the clear", address).try("use https, or a tunnel to the loopback address")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// http follows no redirect: a token or a signed request is for one address only.
func (a *app) http() *http.Client {
	return &http.Client{
		Transport:     transport{a, http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport tells under --verbose what is asked.
type transport struct {
	a    *app
	next http.RoundTripper
}

// RoundTrip sends one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := t.next.RoundTrip(r)
	if t.a.verbose {
		answer := fmt.Sprint(err)
		if err == nil {
			answer = res.Status
		}
		_, _ = fmt.Fprintln(t.a.Stderr, printable(fmt.Sprintf("%s %s  %s  %s", r.Method, r.URL.Redacted(), answer, milliseconds(time.Since(began)))))
	}
	return res, err
}

// patient is ctx with the --timeout.
func (a *app) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.timeout)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

// dialled is an address to listen on as one to dial: the unspecified one becomes loopback.
func dialled(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "", fail(ExitConfig, "ingress.listen %q names no address to send to", listen).try("name one with --url")
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
