package verifier

import (
	"errors"
	"fmt"
	"strings"

	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/shared/record"
	"github.com/doorward/doorward/verifier/strictjson"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// attributeFunc computes one attribute of an event; ok is false where there is no value.
type attributeFunc func(*view) (value string, ok bool, err error)

// mapping makes attributes of a delivery. A nil id means the provider's identity.
type mapping struct {
	eventType, subject, correlation, id attributeFunc
	contentSource                       string
}

// view is what mapping sees of a delivery: the decoded body, single-line headers.
type view struct {
	body   any // nil when it is not JSON
	req    *record.Request
	source string
}

// defaultType is the type of an event for which neither configuration nor provider has one.
const defaultType = "dev.doorward.webhook.received"

// compileMapping compiles the expressions, and returns what is wrong by field.
func compileMapping(c config.Event, preset provider.Event) (mapping, map[string]error) {
	problems := map[string]error{}
	attribute := func(field string, e config.Expr, templates []provider.Template) attributeFunc {
		if e == "" {
			return fromTemplates(templates)
		}
		if !e.IsExpr() {
			literal := string(e)
			return func(*view) (string, bool, error) { return literal, true, nil }
		}
		f, err := fromExpression(field, e.Source())
		if err != nil {
			problems[field] = err
		}
		return f
	}
	m := mapping{
		eventType:     attribute("type", c.Type, preset.Type),
		subject:       attribute("subject", c.Subject, preset.Subject),
		correlation:   attribute("correlationid", c.CorrelationID, preset.Correlation),
		contentSource: c.Source,
	}
	if c.ID != "" {
		m.id = attribute("id", c.ID, nil)
	}
	return m, problems
}

// fromTemplates takes the first of a provider's templates whose places all have a value.
func fromTemplates(templates []provider.Template) attributeFunc {
	return func(v *view) (string, bool, error) {
		for _, t := range templates {
			if text, ok := t.Expand(v.term); ok {
				return text, true, nil
			}
		}
		return "", false, nil
	}
}

func (v *view) term(t provider.Term) (string, bool) {
	switch t.Kind {
	case provider.Header:
		return v.req.Value(t.Arg)
	case provider.JSON:
		return strictjson.Lookup(v.body, t.Arg)
	}
	return "", false
}

// environment is what an expression may name.
type environment struct {
	Body   any               `expr:"body"`
	Header map[string]string `expr:"header"` // names in lower case; single-line headers only
	Source string            `expr:"source"`
}

// Limits of one expression, against one that an operator wrote without thinking of size.
const (
	maxExpressionNodes  = 500
	maxExpressionMemory = 100_000
)

func fromExpression(field, code string) (attributeFunc, error) {
	program, err := expr.Compile(code, expr.Env(environment{}), expr.MaxNodes(maxExpressionNodes))
	if err != nil {
		return nil, fmt.Errorf("compile the expression: %w", err)
	}
	usesHeader := strings.Contains(code, "header")
	return func(v *view) (string, bool, error) {
		out, err := run(program, v.environment(usesHeader))
		if err != nil {
			return "", false, fmt.Errorf("event.%s could not be computed", field)
		}
		if out == nil {
			return "", false, nil
		}
		text, ok := strictjson.Text(out)
		if n, isInt := out.(int); isInt {
			text, ok = fmt.Sprint(n), true
		}
		if !ok {
			return "", false, fmt.Errorf("event.%s is neither a text nor a whole number", field)
		}
		return text, true, nil
	}, nil
}

func run(program *vm.Program, env environment) (any, error) {
	machine := vm.VM{MemoryBudget: maxExpressionMemory}
	return machine.Run(program, env)
}

func (v *view) environment(header bool) environment {
	env := environment{Body: v.body, Source: v.source}
	if !header {
		return env
	}
	env.Header = make(map[string]string, len(v.req.Header))
	for _, f := range v.req.Header {
		if value, ok := v.req.Value(f.Name); ok {
			env.Header[strings.ToLower(f.Name)] = value
		}
	}
	return env
}

// maxAttribute bounds an attribute's text, in bytes.
const maxAttribute = 1024

var errAttribute = errors.New("an event attribute is longer than 1024 bytes or holds control characters")

// checkAttribute keeps control characters and overlong texts out of events.
func checkAttribute(s string) error {
	if len(s) > maxAttribute {
		return errAttribute
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r <= 0x9f {
			return errAttribute
		}
	}
	return nil
}
