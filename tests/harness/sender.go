package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/verifier/signature"
)

// Sender signs as a source's sender does, and posts.
type Sender struct {
	url    string
	scheme *signature.Scheme
	client *http.Client
}

// NewSender signs with one secret of a provider and posts to url.
func NewSender(name, secret, url string) (*Sender, error) {
	spec, err := provider.Load(name)
	if err != nil {
		return nil, err
	}
	scheme, err := signature.Compile(spec, signature.Options{Keys: []signature.Key{{ID: "k", Secret: []byte(secret)}}})
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	return &Sender{url, scheme, &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// Sign makes a request that can be posted more than once.
func (s *Sender) Sign(id, body string) (*signature.Request, error) {
	r := &signature.Request{Method: http.MethodPost, Header: []signature.Field{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(body)}
	return r, s.scheme.Sign(r, "", time.Now(), id)
}

// Post posts a request once and returns the answer's status.
func (s *Sender) Post(ctx context.Context, r *signature.Request) (int, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, s.url, bytes.NewReader(r.Body))
	if err != nil {
		return 0, err
	}
	for _, f := range r.Header {
		req.Header.Add(f.Name, f.Value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, err
}

// Insist posts one and the same request, each time over a connection of its own, until it
// is accepted, and returns how often it took. A status that repeating does not mend is an error.
func (s *Sender) Insist(ctx context.Context, r *signature.Request) (int, error) {
	for tries := 1; ; tries++ {
		status, err := s.Post(ctx, r)
		switch {
		case err == nil && status == http.StatusAccepted:
			return tries, nil
		case err == nil && status/100 == 4 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			return tries, fmt.Errorf("post to %s: answered %d", s.url, status)
		}
		s.client.CloseIdleConnections()
		select {
		case <-ctx.Done():
			return tries, fmt.Errorf("post to %s: %w, last answer %d, %v", s.url, ctx.Err(), status, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
