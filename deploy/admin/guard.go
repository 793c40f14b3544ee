package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hosts are the names under which the API may be asked for, beside loopback addresses. A
// page whose own name was made to resolve to 127.0.0.1 (DNS rebinding) sends its name.
type hosts map[string]bool

func hostsOf(listen string) hosts {
	out := hosts{"localhost": true}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		out[strings.ToLower(host)] = true
	}
	return out
}

func (h hosts) allow(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return true
	}
	return h[host]
}

// guarded is what every request passes, with a token or without.
func (a *Admin) guarded(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return a.answering(func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !a.hosts.allow(r.Host) {
			return problem(http.StatusMisdirectedRequest, "the API is not served under this name", "use localhost, a loopback address or the host of admin.listen")
		}
		// Reading from another origin is refused as well as writing: the live view is a stream
		// of GET. The protection looks only at methods that write.
		probe := r.WithContext(r.Context())
		probe.Method = http.MethodPost
		if err := protection.Check(probe); err != nil {
			return problem(http.StatusForbidden, "requests from another origin are refused", "")
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// checked asks for the token, except on open routes. Nothing else that a client sets
// decides about access.
func (a *Admin) checked(rt route) handler {
	want := sha256.Sum256(a.settings.Token.Reveal())
	return func(w http.ResponseWriter, r *http.Request) error {
		if !rt.open && !bears(r, want) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="doorward"`)
			return problem(http.StatusUnauthorized, "no valid token", "send Authorization: Bearer with the token of admin.token")
		}
		return rt.serve(w, r)
	}
}

// bears compares digests, so that neither content nor length shows in the time it takes.
func bears(r *http.Request, want [sha256.Size]byte) bool {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
