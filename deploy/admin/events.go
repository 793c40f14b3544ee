package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/event"
)

const (
	// writeWithin is how long one write to a watching client may take.
	writeWithin = 10 * time.Second
	// beatEvery keeps a silent stream from looking dead.
	beatEvery = 15 * time.Second
)

// sse writes server-sent events (WHATWG HTML §9.2). Data is JSON, so it holds no line break.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func openSSE(w http.ResponseWriter) (*sse, error) {
	w.Header().Set("Content-Type", "text/event-stream")
	s := &sse{w, http.NewResponseController(w)}
	return s, s.write(": doorward\n\n")
}

func (s *sse) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *sse) send(id, name string, data []byte) error {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, name, data))
}

// wanted filters events for one client.
type wanted struct {
	source, eventType string
	// after is the sequence that history begins behind, when history is wanted at all.
	after   uint64
	history bool
}

func (q wanted) match(source, eventType string) bool {
	if q.source != "" && q.source != source {
		return false
	}
	if prefix, ok := strings.CutSuffix(q.eventType, "*"); ok {
		return strings.HasPrefix(eventType, prefix)
	}
	return q.eventType == "" || q.eventType == eventType
}

// events streams verified events: those after since_seq from the stream, then live ones.
func (a *Admin) events(w http.ResponseWriter, r *http.Request) error {
	since, history, err := sinceOf(r)
	if err != nil {
		return err
	}
	return a.streaming(w, r, func(ctx context.Context, out *sse, w *watcher) error {
		return a.streamEvents(ctx, out, wanted{r.URL.Query().Get("source"), r.URL.Query().Get("type"), since, history}, w)
	})
}

// steps streams every step of every delivery.
func (a *Admin) steps(w http.ResponseWriter, r *http.Request) error {
	return a.streaming(w, r, func(ctx context.Context, out *sse, w *watcher) error {
		return relay(ctx, out, w, func(o observation) error { return sendSteps(out, o) })
	})
}

func sendSteps(out *sse, o observation) error {
	for _, s := range o.steps {
		body, err := json.Marshal(api.Passing{ID: o.id, Source: o.source, Type: o.eventType, Step: s})
		if err != nil {
			return err
		}
		if err := out.send("", "step", body); err != nil {
			return err
		}
	}
	return nil
}

// streaming runs a stream until its client goes, is cut, or the process stops. It watches
// before the answer begins, so that nothing after the first byte is missed. Once the answer has
// begun, whatever ends it, nobody can be told more.
func (a *Admin) streaming(w http.ResponseWriter, r *http.Request, run func(context.Context, *sse, *watcher) error) error {
	if err := a.live.wake(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // ends with the request
		select {
		case <-a.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	watching := a.live.join()
	defer a.live.leave(watching)
	out, err := openSSE(w)
	if err == nil && r.Method != http.MethodHead {
		err = run(ctx, out, watching)
	}
	if err != nil && ctx.Err() == nil {
		a.settings.Log.Debug().Str("cause", err.Error()).Msg("stream to a watching client ended")
	}
	return nil
}

func (a *Admin) streamEvents(ctx context.Context, out *sse, q wanted, watching *watcher) error {
	last := q.after
	send := func(s *bus.Stored) error {
		if s.Seq <= last {
			return nil
		}
		last = s.Seq
		return sendEvent(out, q, s)
	}
	if q.history {
		// The first scan may take longer than the buffer holds: begin to watch anew after it.
		// The second closes the gap to what is live by then.
		a.live.leave(watching)
		if err := a.bus.reader(bus.Verified).Scan(ctx, bus.From{Seq: last + 1}, send); err != nil {
			return err
		}
		watching = a.live.join()
		defer a.live.leave(watching)
		if err := a.bus.reader(bus.Verified).Scan(ctx, bus.From{Seq: last + 1}, send); err != nil {
			return err
		}
	}
	return relay(ctx, out, watching, func(o observation) error {
		if o.message == nil {
			return nil
		}
		return send(o.message)
	})
}

// relay hands a watcher's observations to each until the client goes or is cut.
func relay(ctx context.Context, out *sse, w *watcher, each func(observation) error) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := out.write(": beat\n\n"); err != nil {
				return err
			}
		case o, open := <-w.seen:
			if !open {
				return out.write(": cut, too slow\n\n")
			}
			if err := each(o); err != nil {
				return err
			}
		}
	}
}

// sendEvent writes one event in the structured form of CloudEvents.
func sendEvent(out *sse, q wanted, s *bus.Stored) error {
	id := strconv.FormatUint(s.Seq, 10)
	e, err := event.Read(s.Header, s.Data)
	if err != nil {
		return out.send(id, "unreadable", []byte(`{}`))
	}
	if !q.match(e.DwSource, e.Type) {
		return nil
	}
	ce, err := e.CloudEvent()
	if err != nil {
		return out.send(id, "unreadable", []byte(`{}`))
	}
	body, err := json.Marshal(ce)
	if err != nil {
		return out.send(id, "unreadable", []byte(`{}`))
	}
	return out.send(id, "verified", body)
}

// sinceOf is the sequence after which a client wants events: what it saw last, or
// since_seq. Without either it wants new ones only.
func sinceOf(r *http.Request) (after uint64, history bool, err error) {
	v := r.Header.Get("Last-Event-ID")
	if v == "" {
		v = r.URL.Query().Get("since_seq")
	}
	if v == "" {
		return 0, false, nil
	}
	after, err = strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, false, problem(http.StatusBadRequest, "since_seq and Last-Event-ID are verified sequences", "send the id of the last event you saw")
	}
	return after, true, nil
}
