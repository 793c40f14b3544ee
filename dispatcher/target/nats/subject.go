package nats

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
)

// render fills the template. An attribute that the event lacks is an error: a token for
// "nothing" would let events without one meet on a subject that somebody waits on.
func render(parts []config.SubjectPart, e *event.Event) (string, error) {
	var b strings.Builder
	for _, part := range parts {
		if part.Attribute == "" {
			b.WriteString(part.Literal)
			continue
		}
		token, err := encode(part.Attribute, e)
		if err != nil {
			return "", err
		}
		b.WriteString(token)
	}
	return b.String(), nil
}

func encode(attribute string, e *event.Event) (string, error) {
	value := attributeOf(attribute, e)
	if value == "" {
		return "", fmt.Errorf("the event has no %s, which the target's subject needs", attribute)
	}
	token, ok := bus.EncodeToken(value)
	if !ok {
		return "", fmt.Errorf("the event's %s is too long for a subject", attribute)
	}
	return token, nil
}

// attributeOf names the configured source "source", as verified subjects do: the
// CloudEvents source may be any URI reference.
func attributeOf(attribute string, e *event.Event) string {
	switch attribute {
	case "id":
		return e.ID
	case "source":
		return e.DwSource
	case "type":
		return e.Type
	case "subject":
		return e.Subject
	case "correlationid":
		return e.CorrelationID
	}
	return ""
}
