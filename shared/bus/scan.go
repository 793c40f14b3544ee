package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Stored is a message as a stream keeps it.
type Stored struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Header  nats.Header
	Data    []byte
}

// Reader reads a stream by sequence, time or subject with direct gets: it consumes
// nothing and needs no right to create a consumer.
type Reader struct {
	nc     *nats.Conn
	api    string
	stream string
}

// NewReader reads stream through an API prefix: APILocal, or the one an import gives.
func NewReader(nc *nats.Conn, api, stream string) *Reader { return &Reader{nc, api, stream} }

// ErrNotFound: the stream keeps no such message.
var ErrNotFound = errors.New("message not found")

// From is where a scan begins: at a sequence, or at the first message stored at Time or later.
type From struct {
	Seq     uint64
	Time    time.Time
	Subject string // filter with wildcards; "" means all
}

const (
	scanBatch    = 512
	scanMaxBytes = 4 << 20
	scanPatience = 5 * time.Second
)

type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
}

// Scan calls each with every message from the beginning to the end of the stream as it
// stands when the last batch is read, oldest first. An error from each stops the scan and
// is returned.
func (r *Reader) Scan(ctx context.Context, from From, each func(*Stored) error) error {
	req := getRequest{Seq: from.Seq, Batch: scanBatch, MaxBytes: scanMaxBytes, NextFor: from.Subject}
	if !from.Time.IsZero() {
		req.StartTime = &from.Time
	} else if req.Seq == 0 {
		req.Seq = 1
	}
	for {
		last, pending, err := r.batch(ctx, req, each)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || pending == 0 {
			return err
		}
		req.Seq, req.StartTime = last+1, nil
	}
}

// batch reads one batch and returns the last sequence read and how many messages follow it.
func (r *Reader) batch(ctx context.Context, req getRequest, each func(*Stored) error) (last, pending uint64, err error) {
	sub, err := r.ask(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		m, err := next(ctx, sub)
		if err != nil {
			return last, 0, fmt.Errorf("read stream %s: %w", r.stream, err)
		}
		switch m.Header.Get("Status") {
		case "":
		case "204": // end of batch
			pending, _ = strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
			return last, pending, nil
		case "404":
			return last, 0, ErrNotFound
		default:
			return last, 0, fmt.Errorf("read stream %s: %s %s", r.stream, m.Header.Get("Status"), m.Header.Get("Description"))
		}
		s, err := stored(m)
		if err != nil {
			return last, 0, err
		}
		last = s.Seq
		if err := each(s); err != nil {
			return last, 0, err
		}
	}
}

func (r *Reader) ask(req getRequest) (*nats.Subscription, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	inbox := r.nc.NewRespInbox()
	sub, err := r.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	if err := r.nc.PublishRequest(r.api+".DIRECT.GET."+r.stream, inbox, body); err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	return sub, nil
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, scanPatience)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// Get reads one message by sequence, or ErrNotFound.
func (r *Reader) Get(ctx context.Context, seq uint64) (*Stored, error) {
	return r.one(ctx, getRequest{Seq: seq})
}

// Last reads the newest message on a subject, or ErrNotFound.
func (r *Reader) Last(ctx context.Context, subject string) (*Stored, error) {
	return r.one(ctx, getRequest{LastFor: subject})
}

func (r *Reader) one(ctx context.Context, req getRequest) (*Stored, error) {
	sub, err := r.ask(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	m, err := next(ctx, sub)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	if status := m.Header.Get("Status"); status != "" {
		return nil, fmt.Errorf("read stream %s: %w (status %s)", r.stream, ErrNotFound, status)
	}
	return stored(m)
}

// stored reads what a direct get puts into headers, and takes those headers away.
func stored(m *nats.Msg) (*Stored, error) {
	s := &Stored{Subject: m.Header.Get("Nats-Subject"), Header: m.Header, Data: m.Data}
	var err error
	if s.Seq, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return nil, fmt.Errorf("read a stored message: %w", err)
	}
	if s.Time, err = time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp")); err != nil {
		return nil, fmt.Errorf("read a stored message: %w", err)
	}
	for _, name := range []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence"} {
		delete(m.Header, name)
	}
	return s, nil
}

// FirstOf reads the oldest stored message on a subject with wildcards from the stream's
// leader, for streams that allow no direct gets; ErrNotFound when there is none.
func FirstOf(ctx context.Context, nc *nats.Conn, stream, subject string) (seq uint64, stored time.Time, err error) {
	body, err := json.Marshal(getRequest{Seq: 1, NextFor: subject})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	m, err := nc.RequestWithContext(ctx, APILocal+".STREAM.MSG.GET."+stream, body)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	var answer struct {
		Message *struct {
			Seq  uint64    `json:"seq"`
			Time time.Time `json:"time"`
		} `json:"message"`
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, time.Time{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	switch {
	case answer.Error != nil && answer.Error.Code == codeNoMessage:
		return 0, time.Time{}, ErrNotFound
	case answer.Error != nil:
		return 0, time.Time{}, fmt.Errorf("read stream %s: %s", stream, answer.Error.Description)
	case answer.Message == nil:
		return 0, time.Time{}, fmt.Errorf("read stream %s: empty answer", stream)
	}
	return answer.Message.Seq, answer.Message.Time, nil
}

// codeNoMessage is the server's word for a message that is not there.
const codeNoMessage = 10037

// Purge removes a stream's messages on a subject with wildcards, below a sequence.
func Purge(ctx context.Context, nc *nats.Conn, stream, subject string, below uint64) error {
	body, err := json.Marshal(map[string]any{"filter": subject, "seq": below})
	if err != nil {
		return fmt.Errorf("purge stream %s: %w", stream, err)
	}
	m, err := nc.RequestWithContext(ctx, APILocal+".STREAM.PURGE."+stream, body)
	if err != nil {
		return fmt.Errorf("purge stream %s: %w", stream, err)
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("purge stream %s: %w", stream, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("purge stream %s: %s", stream, answer.Error.Description)
	}
	return nil
}
