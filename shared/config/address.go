package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkListen accepts "host:port", where host may be empty and port 0.
func checkListen(listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return errors.New(`must be an address such as ":8080" or "127.0.0.1:8080"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port must be a number from 0 to 65535")
	}
	if strings.ContainsAny(host, " \t/@?#") {
		return errors.New("the host is not a name or an address")
	}
	return nil
}

// checkLoopback accepts listeners that only this machine reaches.
func checkLoopback(listen string) error {
	if err := checkListen(listen); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(listen)
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return nil
	}
	return errors.New("must be a loopback address such as 127.0.0.1")
}

// parseURL accepts absolute URLs of the given schemes without user and fragment.
func parseURL(raw string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case !slices.Contains(schemes, u.Scheme):
		return nil, fmt.Errorf("must be a URL that begins with %s://", strings.Join(schemes, ":// or "))
	case u.User != nil:
		return nil, errors.New("must not contain a user or password")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.Fragment != "":
		return nil, errors.New("must not have a fragment")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("the port must be a number from 1 to 65535")
		}
	}
	return u, nil
}

// checkServers accepts the list that nats.go takes. Credentials go into nats.credentials.
func checkServers(list string) error {
	for server := range strings.SplitSeq(list, ",") {
		if _, err := parseURL(strings.TrimSpace(server), "nats", "tls", "ws", "wss"); err != nil {
			return fmt.Errorf("each server: %w", err)
		}
	}
	return nil
}
