package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SubjectPart is a piece of a subject template: literal text, or an event attribute to
// be encoded as part of a token. One of the two is empty.
type SubjectPart struct{ Literal, Attribute string }

var subjectAttributes = []string{"id", "source", "type", "subject", "correlationid"}

// subjectToken is literal text around at most one attribute: two in one token could
// join different events on one subject.
var subjectToken = regexp.MustCompile(`^([A-Za-z0-9_-]*)(?:\{([^{}]*)\}([A-Za-z0-9_-]*))?$`)

// ParseSubject reads a NATS target's template and returns its parts in order; dots between
// tokens are literal. It refuses wildcards, unknown attributes, and subjects in Doorward's own
// space (prefix or "dw"), the server's ("$") or that of inboxes, which is why the first token must be
// literal.
func ParseSubject(template, prefix string) ([]SubjectPart, error) {
	tokens := strings.Split(template, ".")
	if err := checkFirstToken(tokens[0], prefix); err != nil {
		return nil, err
	}
	var parts []SubjectPart
	for i, token := range tokens {
		if i > 0 {
			parts = append(parts, SubjectPart{Literal: "."})
		}
		more, err := parseToken(token)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
	}
	return parts, nil
}

func checkFirstToken(token, prefix string) error {
	switch {
	case token == prefix || token == "dw":
		return fmt.Errorf("subjects that begin with %q are Doorward's own", token+".")
	case strings.HasPrefix(token, "$"):
		return errors.New(`subjects that begin with "$" are the server's own`)
	case strings.HasPrefix(strings.ToUpper(token), "_INBOX"):
		return errors.New("a target can't be an inbox")
	case strings.Contains(token, "{"):
		return errors.New("the first token must be literal, or an event could choose where it goes")
	}
	return nil
}

func parseToken(token string) ([]SubjectPart, error) {
	found := subjectToken.FindStringSubmatch(token)
	switch {
	case token == "":
		return nil, errors.New("the subject has an empty token")
	case token == "*" || token == ">":
		return nil, errors.New("the subject must not have wildcards")
	case found == nil && strings.Count(token, "{") > 1:
		return nil, fmt.Errorf("token %q may have only one attribute", clipped(token))
	case found == nil:
		return nil, fmt.Errorf("token %q must be of letters, digits, -, _ and one {attribute}", clipped(token))
	case strings.Contains(token, "{") && !slices.Contains(subjectAttributes, found[2]):
		return nil, fmt.Errorf("unknown attribute {%s}: must be one of %s", clipped(found[2]), strings.Join(subjectAttributes, ", "))
	}
	var parts []SubjectPart
	for _, part := range []SubjectPart{{Literal: found[1]}, {Attribute: found[2]}, {Literal: found[3]}} {
		if part != (SubjectPart{}) {
			parts = append(parts, part)
		}
	}
	return parts, nil
}
