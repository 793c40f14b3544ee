package provider

import "time"

// Variant is one way a provider signs, with every parameter filled in.
type Variant struct {
	// Name tells variants of one provider apart; with.variant pins one.
	Name string `yaml:"name"`
	// Needs are the parameters that must be set for this variant to be chosen unnamed.
	Needs []string `yaml:"needs"`
	// Keys says how a configured secret becomes key material.
	Keys Keys `yaml:"keys"`
	// Signature says where the signature stands and how it is written.
	Signature Signature `yaml:"signature"`
	// Algorithm is one of Algorithms.
	Algorithm string `yaml:"algo"`
	// Content is what is signed: the segments' bytes, one after the other.
	Content []Term `yaml:"content"`
	// Timestamp is the signed time, nil if the scheme has none.
	Timestamp *Timestamp `yaml:"timestamp"`
	// Headers gives each signed header the shape its value must have, by name.
	Headers map[string]string `yaml:"headers"`
	// Event says where a delivery's attributes come from.
	Event Event `yaml:"event"`
}

// Keys says what a secret is and the steps that turn its text into key bytes.
type Keys struct {
	// Kind is "shared" or "ed25519_public".
	Kind string `yaml:"kind"`
	// Decode is applied in order: {trim_prefix: p} (if there), {require_prefix: p}, utf8, base64, hex.
	Decode []Term `yaml:"decode"`
	// Private is the same for the private half that only a signer has.
	Private []Term `yaml:"private"`
	// MinLen is the least length in bytes after decoding, even where weak secrets are allowed.
	MinLen int `yaml:"min_len"`
}

// Signature says where the signatures of a request stand and how they are written.
type Signature struct {
	// From is {header: Name}.
	From Term `yaml:"from"`
	// Parse splits the value into signatures.
	Parse Layout `yaml:"parse"`
	// Encoding is one of hex, hex_any (either case), base64, base64url.
	Encoding string `yaml:"enc"`
}

// Layout splits a header's value. Other items than the pinned tag's are never signatures.
type Layout struct {
	// Kind is "raw" (the value is the signature), "prefix" or "items".
	Kind string `yaml:"kind"`
	// Prefix stands before the signature, exact in case; for Kind prefix.
	Prefix string `yaml:"prefix"`
	// Split separates items, Pair an item's tag from its value, and Tag names
	// the items that are signatures; for Kind items.
	Split string `yaml:"split"`
	Pair  string `yaml:"pair"`
	Tag   string `yaml:"tag"`
	// Trim removes spaces around an item, for senders that write "t=1, v1=…".
	Trim bool `yaml:"trim"`
}

// Timestamp is the signed time and the window in which it counts as fresh.
type Timestamp struct {
	// From is {header: Name} or {sigfield: tag}.
	From Term `yaml:"from"`
	// Unit is "s" or "ms" since 1970.
	Unit string `yaml:"unit"`
	// Past and Future bound the distance to the time of receipt.
	Past   time.Duration `yaml:"past"`
	Future time.Duration `yaml:"future"`
}

// Event lists, best first, where a delivery's attributes come from.
type Event struct {
	// ID candidates are {header: Name} or {json: path}.
	ID []Term `yaml:"id"`
	// Type, Subject and Correlation are templates; the first whose places all have a value counts.
	Type        []Template `yaml:"type"`
	Subject     []Template `yaml:"subject"`
	Correlation []Template `yaml:"correlation"`
}
