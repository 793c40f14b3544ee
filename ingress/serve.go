package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward/doorward/shared/bus"
)

// serve answers one request, after it was stored or refused.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := newID(began)
	defer d.inFlight.Add(-1)
	if mustClose(r) {
		w.Header()["Connection"] = closing
	}
	if d.inFlight.Add(1) > maxInFlight {
		d.refuse(w, r, nil, id, overloaded)
		return
	}
	a, err := d.plan.Load().admit(r)
	if err != nil {
		d.refuse(w, r, a.source, id, err)
		return
	}
	size, err := d.store(w, r, a, id)
	if err != nil {
		d.refuse(w, r, a.source, id, err)
	} else {
		accept(w, id)
		a.source.accepted.Inc()
		a.source.size.Observe(float64(size))
	}
	a.source.duration.Observe(time.Since(began).Seconds())
}

// store returns the size of the body once JetStream has acknowledged the request.
func (d *Door) store(w http.ResponseWriter, r *http.Request, a arrival, id string) (size int, err error) {
	pending, size, err := d.send(w, r, a, id)
	if err != nil {
		return 0, err
	}
	// Not the request's context: what became of a sent request is asked to the end, also
	// when the sender is gone.
	_, err = pending.Wait(context.Background())
	switch {
	case err == nil:
		return size, nil
	case errors.Is(err, bus.ErrFull):
		return 0, fmt.Errorf("%w: %w", streamFull, err)
	case errors.Is(err, bus.ErrUnconfirmed):
		return 0, fmt.Errorf("%w: %w", unconfirmed, err)
	}
	return 0, fmt.Errorf("%w: %w", unavailable, err)
}

// send reads the request into a message and hands that to the connection.
func (d *Door) send(w http.ResponseWriter, r *http.Request, a arrival, id string) (*bus.Pending, int, error) {
	p := d.parcels.Get().(*parcel)
	defer d.release(p)
	p.delivery[0] = id
	size, err := p.fill(w, r, a, &d.memory)
	if err != nil {
		return nil, 0, err
	}
	pending, err := d.publisher.Send(&p.msg)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", unavailable, err)
	}
	return pending, size, nil
}

func accept(w http.ResponseWriter, id string) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"id":"`+id+`"}`)
}

func (d *Door) refuse(w http.ResponseWriter, r *http.Request, s *source, id string, err error) {
	answer := refusalOf(err)
	name := unknownSource
	if s != nil {
		name = s.name
	}
	d.metrics.refused(name, answer.status)
	d.log.Debug().Str("request", id).Str("source", name).Int("status", answer.status).Str("cause", err.Error()).Msg("request was refused")
	if r.ContentLength != 0 { // else net/http would wait for the rest of the body before it answers
		w.Header()["Connection"] = closing
	}
	answer.write(w, id)
}
