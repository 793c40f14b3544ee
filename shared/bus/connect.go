package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"
)

// Dial is how an identity reaches the bus.
type Dial struct {
	URL string
	// CA is a PEM file of the cluster's authority; "" takes the system's roots.
	CA string
	// InProcess connects without a socket.
	InProcess nats.InProcessConnProvider
	// Seeds gives the nkey seed of an identity.
	Seeds func(identity string) ([]byte, error)
	Log   zerolog.Logger
}

// Connect opens identity's connection. It reconnects for ever and buffers nothing while
// it is down: a publish then fails at once, so that the caller can say so. A denied
// publish looks like a time-out to its caller; it is logged here. A server that is too old
// for the permissions to hold is refused with ErrServerTooOld.
func (d Dial) Connect(identity string) (*nats.Conn, error) {
	seed, err := d.Seeds(identity)
	if err != nil {
		return nil, fmt.Errorf("read the nkey of %s: %w", identity, err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the nkey of %s: %w", identity, err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the nkey of %s: %w", identity, err)
	}
	options, err := d.options(identity)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(d.URL, append(options, nats.Nkey(public, pair.Sign))...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats as %s: %w", identity, err)
	}
	if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
		nc.Close()
		return nil, fmt.Errorf("connect to nats as %s: %w", identity, err)
	}
	return nc, nil
}

// minServer is the oldest server that closes what the walls between accounts rest on:
// CVE-2026-33249 (a trace header publishes where its sender may not), CVE-2026-33222 (a
// JetStream API without its permissions) and CVE-2026-33248 (certificates taken for
// another user).
var minServer = [3]int{2, 12, 6}

// ErrServerTooOld says that the server's known holes would undo the permissions.
var ErrServerTooOld = errors.New("nats server is too old")

// checkVersion refuses what is older than minServer, what is only a candidate for it, and
// what does not say.
func checkVersion(version string) error {
	number, candidate, _ := strings.Cut(version, "-")
	var have [3]int
	_, err := fmt.Sscanf(number, "%d.%d.%d", &have[0], &have[1], &have[2])
	order := slices.Compare(have[:], minServer[:])
	if err == nil && (order > 0 || order == 0 && candidate == "") {
		return nil
	}
	return fmt.Errorf("%w: it says it is %q, at least %d.%d.%d is needed", ErrServerTooOld, version, minServer[0], minServer[1], minServer[2])
}

func (d Dial) options(identity string) ([]nats.Option, error) {
	log := d.Log.With().Str("identity", identity).Logger()
	out := []nats.Option{
		nats.Name("doorward " + identity),
		nats.CustomInboxPrefix(InboxPrefix(identity)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(false),
		nats.FlusherTimeout(5 * time.Second), // a server that stopped reading must not hold a publisher for a minute
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn().Str("cause", err.Error()).Msg("nats connection lost")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info().Msg("nats connection restored") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Error().Bool("permission", errors.Is(err, nats.ErrPermissionViolation)).Str("cause", err.Error()).Msg("nats refused an operation")
		}),
	}
	if d.InProcess != nil {
		out = append(out, nats.InProcessServer(d.InProcess))
	}
	if d.CA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(d.CA)
	if err != nil {
		return nil, fmt.Errorf("read nats.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read nats.ca: %s holds no certificate", d.CA)
	}
	return append(out, nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})), nil
}
