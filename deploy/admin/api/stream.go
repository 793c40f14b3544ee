package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// ErrCut: the server ended a stream because the reader was too slow, or it is stopping.
// Begin again after the last Message.ID.
var ErrCut = errors.New("stream cut by the server")

// maxLine bounds one line of a stream: an event of 8 MiB in base64 and its attributes.
const maxLine = 12 << 20

// Message is one server-sent event.
type Message struct {
	ID    string
	Event string
	Data  []byte
}

// Stream reads server-sent events (WHATWG HTML §9.2).
type Stream struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

func (c *Client) stream(ctx context.Context, path string, q url.Values) (*Stream, error) {
	res, err := c.do(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &Stream{body: res.Body, lines: lines}, nil
}

// Close ends the stream.
func (s *Stream) Close() error { return s.body.Close() }

// Next returns the next message. It blocks, and ends in ErrCut when the server closes the
// stream or in ErrUnreachable when the connection breaks.
func (s *Stream) Next() (Message, error) {
	var m Message
	for s.lines.Scan() {
		line := s.lines.Bytes()
		if len(line) == 0 {
			if m.Data != nil {
				return m, nil
			}
			m = Message{}
			continue
		}
		m.take(line)
	}
	if err := s.lines.Err(); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return Message{}, ErrCut
}

func (m *Message) take(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		m.ID = string(value)
	case "event":
		m.Event = string(value)
	case "data":
		if m.Data != nil {
			m.Data = append(m.Data, '\n')
		}
		m.Data = append(m.Data, value...)
		if m.Data == nil {
			m.Data = []byte{}
		}
	}
}
