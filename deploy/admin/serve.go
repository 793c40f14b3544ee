package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler answers a request or says why not: a *api.Problem goes to the client as it is,
// any other error is logged and the client learns its kind alone.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one line of the API.
type route struct {
	method, pattern string
	open            bool // needs no token
	serve           handler
}

func (a *Admin) routes() []route {
	metrics := promhttp.HandlerFor(a.settings.Registry, promhttp.HandlerOpts{})
	return []route{
		{"GET", "/livez", true, a.livez},
		{"GET", "/readyz", true, a.readyz},
		{"GET", "/metrics", true, func(w http.ResponseWriter, r *http.Request) error { metrics.ServeHTTP(w, r); return nil }},
		{"GET", "/v1/version", false, a.version},
		{"GET", "/v1/stats", false, a.stats},
		{"GET", "/v1/books", false, a.balanceBooks},
		{"POST", "/v1/books/accept", false, a.acceptBooks},
		{"GET", "/v1/deliveries/{id}", false, a.delivery},
		{"GET", "/v1/events", false, a.events},
		{"GET", "/v1/steps", false, a.steps},
		{"GET", "/v1/deadletters", false, a.deadLetters},
		{"GET", "/v1/deadletters/{from}/{seq}", false, a.deadLetter},
		{"POST", "/v1/replays", false, a.orderReplays},
		{"GET", "/v1/replays/{id}", false, a.replay},
	}
}

// server has no timeout for whole requests: streams and long polls outlive any, and an
// expired read deadline would cancel them. Each write of a stream and each body has its own.
func (a *Admin) server() *http.Server {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for _, rt := range a.routes() {
		mux.Handle(rt.method+" "+rt.pattern, a.answering(a.checked(rt)))
		allowed[rt.pattern] = append(allowed[rt.pattern], rt.method)
	}
	for pattern, methods := range allowed {
		mux.Handle(pattern, a.answering(a.checked(route{serve: refuseMethod(methods)})))
	}
	mux.Handle("/", a.answering(a.checked(route{serve: func(http.ResponseWriter, *http.Request) error {
		return problem(http.StatusNotFound, "no such resource", "see `doorward help` for what the API serves")
	}})))
	return &http.Server{
		Handler:           a.guarded(mux),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

func refuseMethod(methods []string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		allow := slices.Clone(methods)
		if slices.Contains(allow, "GET") {
			allow = append(allow, "HEAD")
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return problem(http.StatusMethodNotAllowed, "method "+r.Method+" is not served here", "use "+allow[0])
	}
}

// answering turns a handler's error into an answer.
func (a *Admin) answering(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		var p *api.Problem
		if !errors.As(err, &p) {
			p = kindOf(err)
			a.settings.Log.Warn().Str("cause", err.Error()).Int("status", p.Status).Msg("admin request failed")
		}
		writeProblem(w, p)
	})
}

// kindOf is all that a client learns of an error that is not a problem.
func kindOf(err error) *api.Problem {
	for _, away := range []error{bus.ErrUnavailable, bus.ErrFull, nats.ErrNoResponders, nats.ErrTimeout, nats.ErrConnectionClosed, nats.ErrDisconnected, nats.ErrReconnectBufExceeded, jetstream.ErrStreamNotFound, context.DeadlineExceeded} {
		if errors.Is(err, away) {
			return problem(http.StatusServiceUnavailable, "the bus did not answer", "see /readyz?verbose and the log, then try again")
		}
	}
	return problem(http.StatusInternalServerError, "the request failed", "see the log of the admin process")
}

func problem(status int, detail, fix string) *api.Problem {
	return &api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Fix: fix}
}

func writeProblem(w http.ResponseWriter, p *api.Problem) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone, and nobody else is to be told
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
	return nil
}

const (
	// maxRequest bounds the body of a write, in bytes.
	maxRequest = 256 << 10
	// readWithin is how long a body may take to arrive.
	readWithin = 10 * time.Second
)

// readJSON reads one JSON value of known fields and nothing after it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "the body must be application/json", "set Content-Type: application/json")
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(readWithin)); err != nil {
		return err
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	var large *http.MaxBytesError
	if err := d.Decode(v); errors.As(err, &large) {
		return problem(http.StatusRequestEntityTooLarge, "the body is too large", "name fewer sequences, or use a filter")
	} else if err != nil {
		return problem(http.StatusBadRequest, "the body is not what this resource takes: "+err.Error(), "")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem(http.StatusBadRequest, "the body holds more than one JSON value", "")
	}
	return control.SetReadDeadline(time.Time{})
}
