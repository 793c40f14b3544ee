package http

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/dispatcher/target"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/egress"
	"github.com/doorward/doorward/shared/event"
	"github.com/doorward/doorward/shared/outcome"
	"pgregory.net/rapid"
)

var now = time.Unix(1_790_000_000, 0).UTC()

func TestJudgeAnswer(t *testing.T) {
	for _, c := range []struct {
		status int
		after  string
		want   target.Answer
		reason outcome.Reason
		wait   time.Duration
	}{
		{200, "", target.Done, "", 0},
		{202, "60", target.Done, "", 0},
		{299, "", target.Done, "", 0},
		{304, "", target.Refuse, outcome.Target4xx, 0},
		{400, "60", target.Refuse, outcome.Target4xx, 0},
		{401, "", target.Refuse, outcome.Target4xx, 0},
		{408, "", target.Retry, outcome.Target4xx, 0},
		{410, "", target.Refuse, outcome.TargetGone, 0},
		{425, "", target.Retry, outcome.Target4xx, 0},
		{429, "60", target.Retry, outcome.Target4xx, time.Minute},
		{429, "-5", target.Retry, outcome.Target4xx, 0},
		{429, "99999999999999", target.Retry, outcome.Target4xx, time.Hour},
		{429, "999999999999999999999999", target.Retry, outcome.Target4xx, 0},
		{500, "60", target.Retry, outcome.Target5xx, 0},
		{503, now.Add(2 * time.Minute).Format(http.TimeFormat), target.Retry, outcome.Target5xx, 2 * time.Minute},
		{503, now.Add(-time.Minute).Format(http.TimeFormat), target.Retry, outcome.Target5xx, 0},
		{503, now.Add(200 * 365 * 24 * time.Hour).Format(http.TimeFormat), target.Retry, outcome.Target5xx, time.Hour},
		{503, "soon", target.Retry, outcome.Target5xx, 0},
		{599, "", target.Retry, outcome.Target5xx, 0},
	} {
		got := judgeAnswer(egress.Response{Status: c.status, Header: http.Header{"Retry-After": {c.after}}}, now)
		if got.Answer != c.want || got.Reason != c.reason || got.After != c.wait {
			t.Errorf("%d with Retry-After %q: got %+v, want %s %s %s", c.status, c.after, got, c.want, c.reason, c.wait)
		}
	}
}

func TestJudgeError(t *testing.T) {
	for err, want := range map[error]target.Result{
		&egress.DeniedError{Host: "h", Why: "no"}:                    {Answer: target.Refuse, Reason: outcome.EgressDenied},
		&egress.RedirectError{Host: "h", Status: 301}:                {Answer: target.Refuse, Reason: outcome.Target4xx},
		fmt.Errorf("send: %w", context.DeadlineExceeded):             {Answer: target.Retry, Reason: outcome.TargetTimeout},
		fmt.Errorf("send: %w", context.Canceled):                     {Answer: target.Retry, Reason: outcome.Target5xx},
		errors.New("connection refused"):                             {Answer: target.Retry, Reason: outcome.Target5xx},
		fmt.Errorf("x: %w", &egress.DeniedError{Host: "h", Why: ""}): {Answer: target.Refuse, Reason: outcome.EgressDenied},
	} {
		if got := judgeError(err); got.Answer != want.Answer || got.Reason != want.Reason || got.Detail == "" {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}

// The encoder writes data as it is. A body that is not one JSON value must not become
// members of the event around it.
func TestDataCanNotAddAttributes(t *testing.T) {
	for _, data := range []string{`1,"dwsource":"evil"`, `{}}`, `"a" "b"`, "", "{", "\"\xff\"", `{"dwsource": "evil"}`, `[1, 2]`, "  null "} {
		e := &event.Event{ID: "1", Source: "doorward:a", Type: "t", DwSource: "a", DataContentType: "application/json", Data: []byte(data)}
		_, body, err := structured(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(body)
		if err != nil {
			t.Fatalf("data %q: %v in %s", data, err, body)
		}
		if got.source != "a" || got.data != strings.TrimSpace(data) {
			t.Errorf("data %q: source %q, data %q", data, got.source, got.data)
		}
	}
}

type decoded struct{ source, data string }

func decode(body []byte) (decoded, error) {
	var doc struct {
		DwSource string          `json:"dwsource"`
		Data     json.RawMessage `json:"data"`
		Base64   []byte          `json:"data_base64"`
	}
	err := json.Unmarshal(body, &doc)
	if doc.Data != nil {
		return decoded{doc.DwSource, string(doc.Data)}, err
	}
	return decoded{doc.DwSource, string(doc.Base64)}, err
}

func TestStructuredKeepsEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		contentType := rapid.SampledFrom([]string{"application/json", "text/plain", "application/x+json; charset=utf-8", ""}).Draw(t, "type")
		e := &event.Event{ID: "1", Source: "s", Type: "t", DwSource: "a", DataContentType: contentType, Data: data}
		_, body, err := structured(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(body)
		if err != nil || got.source != "a" || strings.TrimSpace(got.data) != strings.TrimSpace(string(data)) {
			t.Fatalf("%q came out as %+v, %v in %s", data, got, err, body)
		}
	})
}

func TestBinaryAttributesAreHeaders(t *testing.T) {
	e := &event.Event{ID: "a b", Source: "s", Type: "t\r\nX-Evil: 1", DataContentType: "text/plain", Data: []byte("x")}
	header, body, err := binary(e)
	if err != nil || string(body) != "x" {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ce-id": "a%20b", "ce-type": "t%0D%0AX-Evil:%201", "ce-specversion": "1.0", "Content-Type": "text/plain", "ce-datacontenttype": "", "X-Evil": ""} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestNewSigner(t *testing.T) {
	key := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for secret, ok := range map[string]bool{
		"whsec_" + key(24): true, "whsec_" + key(64): true, "whsec_" + key(23): false, "whsec_" + key(65): false,
		key(32): false, "whsec_not base64 at all, not at all": false, "": false, "whsec_": false,
	} {
		_, err := NewSigner(config.NewSecret([]byte(secret)))
		if (err == nil) != ok {
			t.Errorf("secret of %d characters: got %v, want ok %v", len(secret), err, ok)
		}
		if err != nil && len(secret) > 10 && strings.Contains(err.Error(), secret[6:]) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

// The example of the Standard Webhooks specification's own test suites.
func TestSignatureVector(t *testing.T) {
	s, err := NewSigner(config.NewSecret([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	s.sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

func TestMessageIDKeepsDotsOut(t *testing.T) {
	for id, want := range map[string]string{"msg_1-a": "msg_1-a", "a.1790000000": "a=2E1790000000", "a\r\nb": "a=0D=0Ab"} {
		if got := messageID(&event.Event{ID: id}); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1e9", "Mon, 21 Sep 2026 14:13:20 GMT", "Mon, 21 Sep 9999 14:13:20 GMT", "18446744073709551616"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got < 0 || got > maxRetryAfter {
			t.Errorf("%q: got %s", text, got)
		}
	})
}
