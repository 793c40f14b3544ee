package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// benchSecret signs the requests of a measurement; it protects nothing.
const benchSecret = "ZG9vcndhcmQtYmVuY2htYXJrLXNlY3JldC0wMDAwMDA="

// bodySize is the size of each body, in bytes.
const bodySize = 1024

// prepare signs n requests ahead of a measurement, so that signing costs it nothing.
// Times are taken a little ahead: a measurement lasts seconds, the tolerance minutes.
func prepare(n int, tag string) func() *request {
	key, _ := base64.StdEncoding.DecodeString(benchSecret)
	mac := hmac.New(sha256.New, key)
	requests := make([]request, n)
	at := strconv.FormatInt(time.Now().Unix(), 10)
	for i := range requests {
		id := fmt.Sprintf("msg_%s_%d", tag, i)
		body := makeBody(i)
		mac.Reset()
		fmt.Fprintf(mac, "%s.%s.", id, at)
		mac.Write(body)
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST /in/agents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nWebhook-Id: %s\r\nWebhook-Timestamp: %s\r\nWebhook-Signature: v1,%s\r\n\r\n",
			len(body), id, at, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		b.Write(body)
		requests[i] = request{id, b.Bytes()}
	}
	var next atomic.Int64
	return func() *request {
		i := next.Add(1) - 1
		if i >= int64(n) {
			return nil
		}
		return &requests[i]
	}
}

func makeBody(i int) []byte {
	head := fmt.Sprintf(`{"task_id":"t-%d","status":"completed","result":"`, i)
	return []byte(head + strings.Repeat("x", bodySize-len(head)-2) + `"}`)
}
