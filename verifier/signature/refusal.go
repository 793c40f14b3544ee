package signature

import "github.com/doorward/doorward/shared/outcome"

// Refusal is why a request was not verified. Nothing in it comes from the request.
type Refusal struct {
	// Reason is one of the closed set.
	Reason outcome.Reason
	// Detail is one line for operators.
	Detail string
}

// Error joins reason and detail.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func refuse(reason outcome.Reason, detail string) *Refusal { return &Refusal{reason, detail} }
