package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrUnreachable: nobody answered at the address. Trying again is safe.
var ErrUnreachable = errors.New("admin API unreachable")

// maxAnswer bounds what the client reads of one answer.
const maxAnswer = 64 << 20

// Client speaks to the API at URL, for example http://127.0.0.1:9090.
type Client struct {
	URL   string
	Token string
	// HTTP is http.DefaultClient when nil. A client-wide timeout would cut streams; use the context.
	HTTP *http.Client
}

// Version asks what is running.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return fetch[Version](ctx, c, "/v1/version", nil)
}

// Stats asks for the state of every stage.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return fetch[Stats](ctx, c, "/v1/stats", nil)
}

// Books balances the books; full ignores the earlier checkpoint and so can't account for
// what was trimmed since.
func (c *Client) Books(ctx context.Context, full bool) (Books, error) {
	q := url.Values{}
	if full {
		q.Set("full", "true")
	}
	return fetch[Books](ctx, c, "/v1/books", q)
}

// Delivery asks what became of a delivery and waits up to wait for it to be final.
func (c *Client) Delivery(ctx context.Context, id string, wait time.Duration) (Delivery, error) {
	return fetch[Delivery](ctx, c, "/v1/deliveries/"+url.PathEscape(id), waiting(wait))
}

// DeadLetters lists dead letters.
func (c *Client) DeadLetters(ctx context.Context, q DeadLetterQuery) (DeadLetters, error) {
	return fetch[DeadLetters](ctx, c, "/v1/deadletters", q.Values())
}

// DeadLetter shows one dead letter.
func (c *Client) DeadLetter(ctx context.Context, from string, seq uint64) (DeadLetterDetail, error) {
	return fetch[DeadLetterDetail](ctx, c, "/v1/deadletters/"+url.PathEscape(from)+"/"+strconv.FormatUint(seq, 10), nil)
}

// AcceptBooks lets the books go on behind what they can't balance; it returns what was accepted.
func (c *Client) AcceptBooks(ctx context.Context, note string) (Books, error) {
	return post[Books](ctx, c, "/v1/books/accept", Accept{note})
}

// OrderReplays orders replays.
func (c *Client) OrderReplays(ctx context.Context, r ReplayRequest) (Replays, error) {
	return post[Replays](ctx, c, "/v1/replays", r)
}

// Replay asks what became of an order and waits up to wait for it.
func (c *Client) Replay(ctx context.Context, id string, wait time.Duration) (Replay, error) {
	return fetch[Replay](ctx, c, "/v1/replays/"+url.PathEscape(id), waiting(wait))
}

// NewOnly makes Events begin with what comes.
const NewOnly = -1

// Events streams verified events; each is a CloudEvent in JSON with its verified sequence
// as Message.ID. since is the sequence after which to begin, 0 for all that are stored,
// NewOnly for none of them.
func (c *Client) Events(ctx context.Context, since int64, source, eventType string) (*Stream, error) {
	q := url.Values{}
	if since != NewOnly {
		q.Set("since_seq", strconv.FormatInt(since, 10))
	}
	set(q, "source", source)
	set(q, "type", eventType)
	return c.stream(ctx, "/v1/events", q)
}

// Steps streams every step of every delivery; each Message.Data is a Passing.
func (c *Client) Steps(ctx context.Context) (*Stream, error) {
	return c.stream(ctx, "/v1/steps", nil)
}

// Values is the query as it stands in a URL.
func (q DeadLetterQuery) Values() url.Values {
	v := url.Values{}
	set(v, "from", q.From)
	set(v, "source", q.Source)
	set(v, "target", q.Target)
	set(v, "reason", q.Reason)
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func waiting(d time.Duration) url.Values {
	if d <= 0 {
		return nil
	}
	return url.Values{"wait": {d.String()}}
}

func fetch[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	return answer[T](ctx, c, http.MethodGet, path, q, nil)
}

func post[T any](ctx context.Context, c *Client, path string, v any) (T, error) {
	body, err := json.Marshal(v)
	if err != nil {
		var none T
		return none, fmt.Errorf("write the request to %s: %w", path, err)
	}
	return answer[T](ctx, c, http.MethodPost, path, nil, body)
}

func answer[T any](ctx context.Context, c *Client, method, path string, q url.Values, body []byte) (T, error) {
	var out T
	res, err := c.do(ctx, method, path, q, body)
	if err != nil {
		return out, err
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&out); err != nil {
		return out, fmt.Errorf("%w: read the answer of %s: %w", ErrUnreachable, path, err)
	}
	return out, nil
}

// do sends one request; any status but 2xx is a *Problem.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, body []byte) (*http.Response, error) {
	address := strings.TrimSuffix(c.URL, "/") + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if res.StatusCode/100 != 2 {
		defer func() { _ = res.Body.Close() }()
		return nil, problem(res)
	}
	return res, nil
}

func problem(res *http.Response) error {
	p := &Problem{}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(p); err != nil || p.Status == 0 {
		return &Problem{Type: "about:blank", Title: http.StatusText(res.StatusCode), Status: res.StatusCode}
	}
	return p
}
