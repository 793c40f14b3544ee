package dispatcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/shared/event"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Limits of a target's `when`.
const (
	maxNodes  = 1000
	maxMemory = 100_000 // values an evaluation may make
)

// scope is what an expression sees.
type scope struct {
	Event  attributes `expr:"event"`
	Source string     `expr:"source"` // configured source
	Data   any        `expr:"data"`   // decoded JSON, nil for other data
}

// attributes are the event's, by their CloudEvents names; absent ones are empty.
type attributes struct {
	ID              string    `expr:"id"`
	Source          string    `expr:"source"`
	Type            string    `expr:"type"`
	Subject         string    `expr:"subject"`
	Time            time.Time `expr:"time"`
	DataContentType string    `expr:"datacontenttype"`
	DwSource        string    `expr:"dwsource"`
	DwScheme        string    `expr:"dwscheme"`
	DwKeyID         string    `expr:"dwkeyid"`
	DwDelivery      string    `expr:"dwdelivery"`
	DwDigest        string    `expr:"dwdigest"`
	DwAssurance     string    `expr:"dwassurance"`
	RecordedTime    time.Time `expr:"recordedtime"`
	DwReplayOf      string    `expr:"dwreplayof"`
	CorrelationID   string    `expr:"correlationid"`
	TraceParent     string    `expr:"traceparent"`
}

// filter is a compiled `when`; nil lets every event through.
type filter struct {
	program *vm.Program
	data    bool // the program looks at data
}

// newFilter compiles an expression, strictly: unknown names and results that can't be a
// yes or no are errors here.
func newFilter(when string) (*filter, error) {
	if when == "" {
		return nil, nil
	}
	program, err := expr.Compile(when, expr.Env(scope{}), expr.AsBool(), expr.MaxNodes(maxNodes))
	if err != nil {
		return nil, fmt.Errorf("compile the expression: %w", err)
	}
	f := &filter{program: program}
	root := program.Node()
	ast.Walk(&root, f)
	return f, nil
}

// Visit notes whether data is looked at, by its name or by way of the whole scope.
func (f *filter) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok && (id.Value == "data" || id.Value == "$env") {
		f.data = true
	}
}

// match evaluates the expression. Data is decoded only for expressions that look at it.
func (f *filter) match(e *event.Event) (bool, error) {
	if f == nil {
		return true, nil
	}
	s := scope{Event: attributesOf(e), Source: e.DwSource}
	if f.data && e.JSON() {
		if err := json.Unmarshal(e.Data, &s.Data); err != nil {
			return false, errors.New("evaluate when: the data is not JSON")
		}
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	out, err := machine.Run(f.program, s)
	if err != nil {
		return false, fmt.Errorf("evaluate when: %w", err)
	}
	yes, ok := out.(bool)
	if !ok {
		return false, errors.New("evaluate when: the result is neither true nor false")
	}
	return yes, nil
}

func attributesOf(e *event.Event) attributes {
	return attributes{
		ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time, DataContentType: e.DataContentType,
		DwSource: e.DwSource, DwScheme: e.DwScheme, DwKeyID: e.DwKeyID, DwDelivery: e.DwDelivery, DwDigest: e.DwDigest,
		DwAssurance: e.DwAssurance, RecordedTime: e.RecordedTime, DwReplayOf: e.DwReplayOf,
		CorrelationID: e.CorrelationID, TraceParent: e.TraceParent,
	}
}
