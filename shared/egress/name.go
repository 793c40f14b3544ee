package egress

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURL bounds a target's URL, in bytes.
const maxURL = 2048

// internal are the suffixes of names that lead inside, whoever answers for them:
// RFC 6761, RFC 6762 (and with it Kubernetes' svc.cluster.local), RFC 8375, and ICANN's
// reservation of .internal.
var internal = []string{"localhost", "localdomain", "local", "internal", "home.arpa"}

// target parses a URL once, strictly, and says why it is refused, "" when it is not.
// Only an absolute URL with a plain host has one reading; everything that parsers are
// known to read differently is refused.
func (r *rules) target(rawURL string) (u *url.URL, why string) {
	if len(rawURL) > maxURL {
		return nil, "a URL longer than " + strconv.Itoa(maxURL) + " bytes"
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "not a URL"
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return u, "not an https URL"
	case u.Scheme == "http" && !r.AllowHTTP:
		return u, "http, and egress.allow_http is not set"
	case u.Host == "":
		return u, "a URL without a host"
	case u.User != nil:
		return u, "a URL with user information"
	case strings.Contains(rawURL, "#"):
		return u, "a URL with a fragment"
	}
	if why := r.port(u); why != "" {
		return u, why
	}
	return u, r.host(u.Scheme, u.Hostname())
}

func (r *rules) port(u *url.URL) string {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "an empty port"
		}
		text = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	port, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(port) != text {
		return "a port that is not a plain number"
	}
	if !slices.Contains(r.Ports, port) {
		return "port " + text + ", which is not in egress.ports"
	}
	return ""
}

// host judges a literal by its address and a name by its spelling.
func (r *rules) host(scheme, host string) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return r.classifyFor(scheme, a)
	}
	name := strings.ToLower(host)
	if name == "localhost" && len(r.loopback(scheme)) > 0 {
		return ""
	}
	return refuseName(name)
}

// loopback is what the name localhost stands for: the loopback addresses that the
// policy allows. It is never looked up (RFC 6761, section 6.3).
func (r *rules) loopback(scheme string) []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{loopback4, loopback6}, func(a netip.Addr) bool {
		return r.classifyFor(scheme, a) != ""
	})
}

// refuseName says why a lower-case name must not even be looked up.
func refuseName(name string) string {
	if strings.HasSuffix(name, ".") {
		return "a name with a dot at its end"
	}
	labels := strings.Split(name, ".")
	switch last := labels[len(labels)-1]; {
	case len(name) > 253 || slices.ContainsFunc(labels, badLabel):
		return "not a name of ASCII letters, digits and hyphens: write other names in their xn-- form"
	case numeric(last):
		return "a name that ends in a number, which some resolvers read as an address"
	case len(labels) == 1:
		return "a name without a dot, which is resolved in search domains"
	}
	for _, suffix := range internal {
		if name == suffix || strings.HasSuffix(name, "."+suffix) {
			return "a name that ends in ." + suffix
		}
	}
	return ""
}

func badLabel(label string) bool {
	return label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
}

// numeric is the URL standard's "ends in a number", and more: any label of digits or after 0x.
func numeric(label string) bool {
	return strings.HasPrefix(label, "0x") || strings.Trim(label, "0123456789") == ""
}
