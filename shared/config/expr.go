package config

import (
	"errors"
	"strings"
)

// Expr is an attribute's value: text that begins with "=" is an expression for the doors
// to compile, anything else is meant literally.
type Expr string

// IsExpr reports whether e is an expression.
func (e Expr) IsExpr() bool { return strings.HasPrefix(string(e), "=") }

// Source is the expression after "=", without white space around it; of a literal, the literal.
func (e Expr) Source() string {
	if !e.IsExpr() {
		return string(e)
	}
	return strings.TrimSpace(string(e[1:]))
}

// UnmarshalText refuses only an expression with nothing in it.
func (e *Expr) UnmarshalText(text []byte) error {
	if value := Expr(text); value.IsExpr() && value.Source() == "" {
		return errors.New(`the expression after "=" is empty`)
	}
	*e = Expr(text)
	return nil
}
