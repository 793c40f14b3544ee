package telemetry

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadyzTellsPartsButNotReasons(t *testing.T) {
	parts := map[string]error{"ingress": nil, "verifier": errors.New("secret cause")}
	h := Handler(Registry(), func() map[string]error { return parts })
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"/livez", 200, "ok\n"},
		{"/readyz", 503, "not ok\n"},
		{"/readyz?verbose", 503, "[+]ingress ok\n[-]verifier not ok\n"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		if w.Code != c.code || w.Body.String() != c.want {
			t.Errorf("GET %s: %d %q, want %d %q", c.path, w.Code, w.Body, c.code, c.want)
		}
	}
	parts["verifier"] = nil
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("all parts ready: %d %q", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), "go_goroutines") {
		t.Error("/metrics has no Go numbers")
	}
}
