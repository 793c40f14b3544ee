package ingress

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// refusal is an answer other than 202. The sender sees the status and the detail, which are
// the same for whoever asks; the cause that an error wraps around it is for the log.
type refusal struct {
	status     int
	detail     string
	retryAfter string // seconds; "" for none
	allow      string // methods; "" for none
}

// Error is the detail.
func (r *refusal) Error() string { return r.detail }

// Everything that the door answers instead of 202.
var (
	malformed      = &refusal{status: http.StatusBadRequest, detail: "the request is malformed or incomplete"}
	addressDenied  = &refusal{status: http.StatusForbidden, detail: "the address is not on the source's list"}
	notFound       = &refusal{status: http.StatusNotFound, detail: "there is nothing here"}
	wrongMethod    = &refusal{status: http.StatusMethodNotAllowed, detail: "only POST is allowed here", allow: http.MethodPost}
	tooSlow        = &refusal{status: http.StatusRequestTimeout, detail: "the body took too long to arrive"}
	lengthRequired = &refusal{status: http.StatusLengthRequired, detail: "the request tells no length of its body"}
	bodyTooLarge   = &refusal{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than the source takes"}
	targetTooLong  = &refusal{status: http.StatusRequestURITooLong, detail: "the request target is longer than 2 KiB"}
	misdirected    = &refusal{status: http.StatusMisdirectedRequest, detail: "this host is not served here"}
	headerTooLarge = &refusal{status: http.StatusRequestHeaderFieldsTooLarge, detail: "the header has more than 100 lines or 16 KiB"}

	overloaded  = &refusal{status: http.StatusServiceUnavailable, detail: "too many requests are under way; this one was not stored", retryAfter: "1"}
	streamFull  = &refusal{status: http.StatusServiceUnavailable, detail: "the queue is full; the request was not stored", retryAfter: "10"}
	unavailable = &refusal{status: http.StatusServiceUnavailable, detail: "storage is not available; the request was not stored", retryAfter: "2"}
	unconfirmed = &refusal{status: http.StatusServiceUnavailable, detail: "storing was not acknowledged in time; the request may have been stored", retryAfter: "2"}
)

// refusalOf is the answer for err; one that nobody foresaw gives nothing away.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return unavailable
}

// problem is RFC 9457's problem+json. Instance is the request's id: that of the delivery, if
// it has been stored all the same.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
}

var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	noSniff     = []string{"nosniff"}
	closing     = []string{"close"}
)

func (r *refusal) write(w http.ResponseWriter, id string) {
	body, err := json.Marshal(problem{"about:blank", http.StatusText(r.status), r.status, r.detail, "urn:ulid:" + id})
	if err != nil {
		w.WriteHeader(r.status)
		return
	}
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = problemType, noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if r.retryAfter != "" {
		h["Retry-After"] = []string{r.retryAfter}
	}
	if r.allow != "" {
		h["Allow"] = []string{r.allow}
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body)
}
