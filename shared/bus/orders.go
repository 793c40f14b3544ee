package bus

import "time"

// Order is an operator's wish to replay one stored message: stream and sequence only.
// Whoever carries it out loads bytes and receipt time itself.
type Order struct {
	// ID is a ULID; it becomes the replay's delivery id.
	ID string `json:"id"`
	// From is "refused", "quarantine" or "dead".
	From string `json:"from"`
	Seq  uint64 `json:"seq"`
	// By and Note say who ordered it and why.
	By   string `json:"by,omitempty"`
	Note string `json:"note,omitempty"`
	// MayDuplicate permits a replay of something older than the nonce memory.
	MayDuplicate bool `json:"may_duplicate,omitempty"`
}

// Done is what became of an Order.
type Done struct {
	Order string `json:"order"`
	// Result is "verified", "duplicate", "refused", "quarantined" (requests), "delivered",
	// "dead" (dead letters) or "failed" (the order could not be carried out).
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Seq is the verified sequence, or that of the new dead letter.
	Seq uint64    `json:"seq,omitempty"`
	At  time.Time `json:"at"`
}
