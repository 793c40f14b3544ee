package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

func (w *world) request(method, path, body string, change ...func(*http.Request)) (*http.Response, string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second) // a stream that should be refused never ends
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.client.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	res, err := w.client.HTTP.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func TestGuardRefusesAndItsTwinPasses(t *testing.T) {
	w := start(t, options{})
	port := w.client.URL[strings.LastIndexByte(w.client.URL, ':'):]
	noToken := func(r *http.Request) { r.Header.Del("Authorization") }
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		want                     int
	}{
		{"good", "GET", "/v1/version", "", host("localhost" + port), 200},
		{"loopback address", "GET", "/v1/version", "", host("127.9.9.9" + port), 200},
		{"IPv6 loopback", "GET", "/v1/version", "", host("[::1]" + port), 200},
		{"rebound name", "GET", "/v1/version", "", host("evil.example" + port), 421},
		{"rebound name on an open route", "GET", "/metrics", "", host("evil.example"), 421},
		{"name that begins like ours", "GET", "/v1/version", "", host("localhost.evil.example"), 421},
		{"other address", "GET", "/v1/version", "", host("10.0.0.1" + port), 421},
		{"no token", "GET", "/v1/version", "", noToken, 401},
		{"other token", "GET", "/v1/version", "", header("Authorization", "Bearer "+token+"x"), 401},
		{"prefix of the token", "GET", "/v1/version", "", header("Authorization", "Bearer "+token[:10]), 401},
		{"empty token", "GET", "/v1/version", "", header("Authorization", "Bearer "), 401},
		{"basic", "GET", "/v1/version", "", header("Authorization", "Basic "+token), 401},
		{"token in the URL", "GET", "/v1/version?access_token=" + token, "", noToken, 401},
		{"forwarded to another path", "GET", "/v1/version", "", func(r *http.Request) { noToken(r); r.Header.Set("X-Forwarded-Uri", "/livez") }, 401},
		{"path through an open route", "GET", "/livez/../v1/version", "", noToken, 401},
		{"encoded path", "GET", "/v1%2fversion", "", noToken, 401},
		{"unknown without a token", "GET", "/v1/nothing", "", noToken, 401},
		{"unknown", "GET", "/v1/nothing", "", header("X", "y"), 404},
		{"other method", "DELETE", "/v1/version", "", header("X", "y"), 405},
		{"own origin", "POST", "/v1/replays", `{"from":"dead","filter":{}}`, header("Origin", w.client.URL), 404},
		{"other origin", "POST", "/v1/replays", `{"from":"dead","filter":{}}`, header("Origin", "http://evil.example"), 403},
		{"other port", "POST", "/v1/replays", `{"from":"dead","filter":{}}`, header("Origin", "http://127.0.0.1:1"), 403},
		{"cross-site", "POST", "/v1/replays", `{"from":"dead","filter":{}}`, header("Sec-Fetch-Site", "cross-site"), 403},
		{"stream from another origin", "GET", "/v1/events", "", header("Origin", "http://evil.example"), 403},
		{"steps from another site", "GET", "/v1/steps", "", header("Sec-Fetch-Site", "cross-site"), 403},
		{"form", "POST", "/v1/replays", `{"from":"dead","filter":{}}`, header("Content-Type", "text/plain"), 415},
		{"unknown field", "POST", "/v1/replays", `{"from":"dead","filter":{},"to":"elsewhere"}`, header("X", "y"), 400},
		{"edited body", "POST", "/v1/replays", `{"from":"dead","seqs":[1],"data":"e30="}`, header("X", "y"), 400},
		{"two values", "POST", "/v1/replays", `{"from":"dead","filter":{}}{}`, header("X", "y"), 400},
		{"too large", "POST", "/v1/replays", `{"from":"` + strings.Repeat("x", 300<<10) + `"}`, header("X", "y"), 413},
	} {
		res, body := w.request(c.method, c.path, c.body, c.change)
		if res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusMovedPermanently {
			t.Errorf("%s: redirected to %s", c.name, res.Header.Get("Location"))
		}
		if res.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d: %s", c.name, res.StatusCode, c.want, body)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", c.name, res.Header)
		}
		if c.want < 400 {
			continue
		}
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != c.want || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: body %q is no problem: %v", c.name, body, err)
		}
		if strings.Contains(body, token) {
			t.Errorf("%s: the answer holds the token", c.name)
		}
	}
}

func TestHealthNeedsNoTokenAndSaysLittle(t *testing.T) {
	broken := errors.New("secret cause")
	var failing atomic.Bool
	w := start(t, options{ready: func() map[string]error {
		if failing.Load() {
			return map[string]error{"ingress": nil, "verifier": broken}
		}
		return map[string]error{"ingress": nil, "verifier": nil}
	}})
	bare := func(r *http.Request) { r.Header.Del("Authorization") }
	for _, c := range []struct {
		path   string
		fail   error
		status int
		body   string
	}{
		{"/livez", nil, 200, "ok\n"},
		{"/readyz", nil, 200, "ok\n"},
		{"/readyz?verbose", nil, 200, "[+]admin ok\n[+]ingress ok\n[+]verifier ok\n"},
		{"/livez", broken, 200, "ok\n"},
		{"/readyz", broken, 503, "not ok\n"},
		{"/readyz?verbose", broken, 503, "[+]admin ok\n[+]ingress ok\n[-]verifier not ok\n"},
	} {
		failing.Store(c.fail != nil)
		if res, body := w.request("GET", c.path, "", bare); res.StatusCode != c.status || body != c.body {
			t.Errorf("%s with %v: %d %q, want %d %q", c.path, c.fail, res.StatusCode, body, c.status, c.body)
		}
	}
	w.until(func() bool {
		_, body := w.request("GET", "/metrics", "", bare)
		return strings.Contains(body, `doorward_build_info{commit="",go="",version="1.2.3"} 1`) &&
			strings.Contains(body, `doorward_store_bytes{stream="DW_VERIFIED"} 0`) && strings.Contains(body, `doorward_consumer_pending{name="00",stage="verifier"} 0`)
	})
}
