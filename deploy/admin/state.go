package admin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
)

func (a *Admin) livez(w http.ResponseWriter, _ *http.Request) error {
	_, _ = io.WriteString(w, "ok\n")
	return nil
}

// readyz says ok or not ok, of each part when asked; why stands in the log alone.
func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) error {
	parts := map[string]error{}
	if a.settings.Ready != nil {
		maps.Copy(parts, a.settings.Ready())
	}
	parts["admin"] = a.Ready()
	status, text := http.StatusOK, ""
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if err := parts[name]; err != nil {
			status = http.StatusServiceUnavailable
			text += fmt.Sprintf("[-]%s not ok\n", name)
			a.settings.Log.Warn().Str("part", name).Str("cause", err.Error()).Msg("part was not ready")
			continue
		}
		text += fmt.Sprintf("[+]%s ok\n", name)
	}
	if !r.URL.Query().Has("verbose") {
		text = map[bool]string{true: "ok\n", false: "not ok\n"}[status == http.StatusOK]
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
	return nil
}

func (a *Admin) version(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, a.settings.Version)
}

func (a *Admin) stats(w http.ResponseWriter, r *http.Request) error {
	out, err := a.bus.stats(r.Context(), a.targetNames())
	if err != nil {
		return err
	}
	if out.Stored, err = a.bus.tallies(r.Context()); err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (a *Admin) balanceBooks(w http.ResponseWriter, r *http.Request) error {
	full, err := flag(r, "full")
	if err != nil {
		return err
	}
	report, err := a.books.Balance(r.Context(), full)
	if err != nil {
		return err
	}
	a.metrics.balanced(report)
	return writeJSON(w, report)
}

// acceptBooks lets the books go on behind a finding, for a reason.
func (a *Admin) acceptBooks(w http.ResponseWriter, r *http.Request) error {
	var req api.Accept
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if req.Note == "" || len(req.Note) > maxNote {
		return problem(http.StatusBadRequest, "accepting the books takes a note of what was found", fmt.Sprintf("say why in at most %d bytes", maxNote))
	}
	report, err := a.books.Accept(context.WithoutCancel(r.Context()), operator(r), req.Note)
	if err != nil {
		return err
	}
	return writeJSON(w, report)
}

// operator is how the audit names who asked: there is one token, so the address is all there is.
func operator(r *http.Request) string { return "admin token from " + r.RemoteAddr }

func (a *Admin) targetNames() []string {
	return slices.Sorted(maps.Keys(a.config.Load().Targets))
}

// flag reads a boolean query parameter; absent is false.
func flag(r *http.Request, name string) (bool, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, problem(http.StatusBadRequest, name+" must be true or false", "")
	}
	return b, nil
}

// maxWait bounds a long poll.
const maxWait = time.Minute

// waitOf reads how long a request wants to wait; absent is not at all.
func waitOf(r *http.Request) (time.Duration, error) {
	v := r.URL.Query().Get("wait")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, problem(http.StatusBadRequest, "wait must be a duration", "write it like 5s")
	}
	return min(d, maxWait), nil
}
