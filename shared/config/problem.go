package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration file.
type Problem struct {
	// File is the file's name as it was given.
	File string
	// Line and Column count from 1, Column in characters; 0 when the place is not known.
	Line, Column int
	// Path leads to the value, such as sources.github.verify.keys[0].secret; "" for the whole file.
	Path string
	// Message says what is wrong.
	Message string
	// Hint says what to write instead, or is empty.
	Hint string
	// SourceLine is the line as written, without what may be a secret.
	SourceLine string

	caret int
	cause error
}

// Error is the place, the message, the source line and a caret with the hint.
func (p Problem) Error() string {
	var out strings.Builder
	out.WriteString(p.headline())
	switch {
	case p.SourceLine != "":
		number := fmt.Sprintf("%5d | ", p.Line)
		fmt.Fprintf(&out, "\n%s%s\n%s", number, p.SourceLine, p.caretLine())
	case p.Hint != "":
		out.WriteString(": " + p.Hint)
	}
	return out.String()
}

func (p Problem) headline() string {
	var parts []string
	if p.File != "" && p.Line > 0 {
		parts = append(parts, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	} else if p.File != "" {
		parts = append(parts, p.File)
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// caretLine repeats the tabs of the source line, so that the caret stands below its character.
func (p Problem) caretLine() string {
	pad := []rune("      | ")
	for i, r := range []rune(p.SourceLine) {
		if i+1 >= p.caret {
			break
		}
		if r != '\t' {
			r = ' '
		}
		pad = append(pad, r)
	}
	return strings.TrimRight(string(pad)+"^ "+p.Hint, " ")
}

// Unwrap is the error that a door handed to (*Config).Problem, if any.
func (p Problem) Unwrap() error { return p.cause }

// Errors are all problems of one configuration, in the order of the file. Never empty when
// returned as an error.
type Errors []Problem

// Error prints every problem, one below the other.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As look into every problem.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, p := range e {
		all[i] = p
	}
	return all
}

// Collect makes one list of what Load and the doors found: nil stays out, Errors, Problem and
// joined errors are flattened, any other error becomes a Problem without a place. The
// result is Errors, sorted by place and without repetition, or nil.
func Collect(errs ...error) error {
	var all Errors
	for _, err := range errs {
		all = append(all, flatten(err)...)
	}
	if len(all) == 0 {
		return nil
	}
	return all.sorted()
}

func flatten(err error) Errors {
	if err == nil {
		return nil
	}
	var problem Problem
	switch e := err.(type) {
	case Errors:
		return e
	case interface{ Unwrap() []error }:
		var all Errors
		for _, one := range e.Unwrap() {
			all = append(all, flatten(one)...)
		}
		return all
	}
	if errors.As(err, &problem) {
		return Errors{problem}
	}
	return Errors{{Message: err.Error(), cause: err}}
}

func (e Errors) sorted() Errors {
	out := slices.Clone(e)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return slices.CompactFunc(out, func(a, b Problem) bool {
		return a.headline() == b.headline()
	})
}
