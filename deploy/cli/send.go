package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward/doorward/deploy/admin/api"
	"github.com/doorward/doorward/verifier/signature"
	"github.com/spf13/cobra"
)

// sending is what send was told.
type sending struct {
	letter
	follow, curl bool
	tamper       string
	count        int
	rate         rate
}

// sent is the result of one send.
type sent struct {
	URL      string        `json:"url"`
	Status   int           `json:"status"`
	Millis   float64       `json:"took_ms"`
	ID       string        `json:"id,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	Delivery *api.Delivery `json:"delivery,omitempty"`
}

func (a *app) send() *cobra.Command {
	var o sending
	c := &cobra.Command{
		Use:   "send SOURCE",
		Short: "Sign and post a webhook as the source's sender would",
		Long: `Sign a webhook as the source's sender would, with the source's key from the configuration, and
post it to the ingress.

With --follow it shows each step through the doors and ends with 0 only when the event was
verified and every target took it. With --tamper the request is wrong in one way, so
that you can see it refused:

  body       a bit of the body flips after signing             bad_signature
  signature  the signature is one over other bytes             bad_signature
  timestamp  it is signed with a time an hour ago              stale
  key        it is signed with a key the source does not have  bad_signature`,
		Example: `  doorward send agents -d '{"task_id":"t-1","status":"completed"}' --follow
  doorward send github -d @push.json -H X-GitHub-Event:push
  doorward send agents --tamper body --follow`,
		Args:              takes("SOURCE"),
		ValidArgsFunction: a.sourceNames,
		RunE:              func(c *cobra.Command, args []string) error { return a.runSend(c.Context(), args[0], &o) },
	}
	o.flags(c)
	f := c.Flags()
	f.BoolVar(&o.follow, "follow", false, "show the steps until the event was delivered or refused")
	f.StringVar(&o.tamper, "tamper", "", "make it wrong: `body`, signature, timestamp or key")
	f.IntVarP(&o.count, "count", "n", 1, "send so many, each with an id of its own unless --id is given")
	f.Var(&o.rate, "rate", "at most so many, for example `20/s` (else one after the other)")
	f.BoolVar(&o.curl, "print-curl", false, "print the curl command that would send it, and send nothing")
	return c
}

func (a *app) runSend(ctx context.Context, source string, o *sending) error {
	if err := checkTamper(o.tamper); err != nil {
		return err
	}
	if o.count < 1 {
		return usage("-n must be at least 1")
	}
	if _, err := a.format(); err != nil {
		return err
	}
	s, err := a.signer(source, &o.letter, o.tamper)
	if err != nil {
		return err
	}
	var body []byte
	if o.data == "-" { // read once, sent n times
		if body, err = a.body(o.data, ""); err != nil {
			return err
		}
	}
	return a.sendAll(ctx, s, o, body)
}

func (a *app) sendAll(ctx context.Context, s *signer, o *sending, body []byte) error {
	var client *api.Client
	var err error
	if o.follow { // before anything is sent
		if client, err = a.client(); err != nil {
			return err
		}
		defer watching(ctx, client)()
	}
	results := []sent{}
	var failures []error
	for i := range o.count {
		if err := o.rate.wait(ctx, i); err != nil {
			return err
		}
		r, err := a.request(s, o, body)
		if err != nil {
			return err
		}
		if o.curl {
			if err := a.printSigned(formatCurl, s.url, r); err != nil {
				return err
			}
			continue
		}
		result, err := a.sendOne(ctx, client, s.url, r)
		results = append(results, result)
		failures = append(failures, err)
		if errors.Is(err, context.Canceled) {
			break
		}
	}
	if err := a.printSent(results); err != nil {
		return err
	}
	return verdict(failures)
}

// watching makes the operators' API watch the bus from before anything is sent, so that it
// sees each step. Without it a delivery's end is read from the streams.
func watching(ctx context.Context, client *api.Client) (stop func()) {
	stream, err := client.Steps(ctx)
	if err != nil {
		return func() {}
	}
	return func() { _ = stream.Close() }
}

func (a *app) request(s *signer, o *sending, body []byte) (*signature.Request, error) {
	if body == nil {
		return a.signOne(s, &o.letter)
	}
	now, id := a.Now(), o.id
	if id == "" {
		id = newID(now)
	}
	return s.sign(body, id, now)
}

// verdict is one error for all sends: the only one, or how many failed.
func verdict(failures []error) error {
	var first error
	failed := 0
	for _, err := range failures {
		if err != nil {
			failed++
			first = errors.Join(first, err)
		}
	}
	switch {
	case failed == 0 || len(failures) == 1:
		return first
	case failed == len(failures):
		f := classify(failures[0])
		return fail(f.exit, "all %d failed; the first: %s", failed, f.message).try(f.fix)
	}
	return fail(ExitPartly, "%d of %d failed", failed, len(failures)).because(first)
}

// sendOne posts one request, shows the answer, and follows it when there is a client.
func (a *app) sendOne(ctx context.Context, client *api.Client, url string, r *signature.Request) (sent, error) {
	result := sent{URL: url}
	began := time.Now()
	err := a.post(ctx, r, &result)
	took := time.Since(began)
	result.Millis = float64(took) / float64(time.Millisecond)
	if result.Status != 0 {
		a.progress("POST %s  %d  %s  %s", url, result.Status, milliseconds(took), result.ID)
	}
	if err != nil || client == nil {
		return result, err
	}
	if result.ID == "" {
		return result, fail(ExitFailed, "the answer of %s tells no delivery id to follow", url)
	}
	d, err := a.follow(ctx, client, result.ID)
	result.Delivery = &d
	return result, err
}

// progress is a line of the table format while things happen.
func (a *app) progress(format string, args ...any) {
	if a.output == "" || a.output == formatTable {
		_, _ = fmt.Fprintln(a.Stdout, printable(fmt.Sprintf(format, args...)))
	}
}

func (a *app) printSent(results []sent) error {
	format, err := a.format()
	if err != nil || format == formatTable || len(results) == 0 {
		return err
	}
	if len(results) == 1 {
		return writeAs(a.Stdout, format, results[0])
	}
	return emit(a, results, results, nil)
}

// answer is what the ingress says: an id, or a problem (RFC 9457).
type answer struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (a *app) post(ctx context.Context, r *signature.Request, into *sent) error {
	ctx, cancel := a.patient(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, into.URL, bytes.NewReader(r.Body))
	if err != nil {
		return usage("post to %s: %v", into.URL, err).because(err)
	}
	for _, f := range r.Header {
		if f.Name == "Host" {
			req.Host = f.Value
			continue
		}
		req.Header[f.Name] = append(req.Header[f.Name], f.Value)
	}
	res, err := a.http().Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = res.Body.Close() }()
	var said answer
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what was read in vain is told by its status
	_ = json.Unmarshal(text, &said)
	into.Status, into.ID, into.Detail = res.StatusCode, said.ID, said.Detail
	return refusedBy(res.StatusCode, said)
}

func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fail(ExitUnreachable, "%v", err).because(err).try("is `doorward serve` running? --url says where its ingress is")
}

// refusedBy is why the ingress did not take the request, or nil.
func refusedBy(status int, said answer) error {
	if status/100 == 2 {
		return nil
	}
	if said.Detail == "" {
		said.Detail = http.StatusText(status)
	}
	f := fail(ExitFailed, "the ingress answered %d: %s", status, said.Detail)
	switch status {
	case http.StatusNotFound:
		f.exit, f.fix = ExitNotFound, "does the running doorward have this source, and is it enabled?"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		f.exit, f.fix = ExitUnreachable, "nothing is lost: send it again later"
	}
	return f
}
