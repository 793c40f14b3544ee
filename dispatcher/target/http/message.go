package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/doorward/doorward/shared/event"
)

const userAgent = "doorward"

// structured is the event as one JSON document (CloudEvents JSON format 1.0). Data stands
// in it byte for byte, white space included. Data that is declared as JSON but is not
// goes as base64: the encoder does not look at it, and a body could otherwise end its
// own member and add attributes, such as who proved it.
func structured(e *event.Event) (http.Header, []byte, error) {
	ce, err := e.CloudEvent()
	if err != nil {
		return nil, nil, err
	}
	if e.JSON() && !(json.Valid(e.Data) && utf8.Valid(e.Data)) {
		ce.DataBase64 = true
	}
	var body bytes.Buffer
	if err := cloudevents.WriteJson(&ce, &body); err != nil {
		return nil, nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return newHeader("application/cloudevents+json"), body.Bytes(), nil
}

// binary is the event's data with attributes as headers (CloudEvents HTTP binding 1.0, §3.1).
// The NATS binding has the same names and the same percent-encoding.
func binary(e *event.Event) (http.Header, []byte, error) {
	contentType := e.DataContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	header := newHeader(contentType)
	for name, values := range e.Msg("").Header {
		if name != "ce-datacontenttype" {
			header.Set(name, values[0])
		}
	}
	return header, e.Data, nil
}

func newHeader(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "User-Agent": {userAgent}}
}
