package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/outcome"
	"github.com/doorward/doorward/shared/provider"
)

// TestNewProvidersAreDataOnly writes down how other vendors sign and verifies what they would send, made here by
// hand and not by Sign.
func TestNewProvidersAreDataOnly(t *testing.T) {
	const front = "id: vendor\ndocs: https://example.com\nchecked_at: 2026-11-21\nvariants:\n- name: v1\n  keys: {kind: shared, decode: [utf8], min_len: 1}\n  algo: hmac-sha256\n"
	hexMAC := func(text string) string {
		m := hmac.New(sha256.New, []byte(strongSecret))
		m.Write([]byte(text))
		return hex.EncodeToString(m.Sum(nil))
	}
	tests := []struct{ name, spec, header, value string }{
		{"milliseconds, a space after the comma", `
  signature: {from: {header: x-s}, parse: {kind: items, split: ",", pair: "=", tag: v1, trim: true}, enc: hex}
  content: [ts, {lit: .}, body]
  timestamp: {from: {sigfield: t}, unit: ms, past: 3m, future: 3m}
`, "X-S", "t=1700000000123, v1=" + hexMAC("1700000000123.{}")},
		{"semicolons and a colon", `
  signature: {from: {header: x-s}, parse: {kind: items, split: ";", pair: "=", tag: h1}, enc: hex}
  content: [ts, {lit: ":"}, body]
  timestamp: {from: {sigfield: ts}, unit: s, past: 5m, future: 5m}
`, "X-S", "ts=1700000000;h1=" + hexMAC("1700000000:{}")},
		{"body twice between literals", `
  signature: {from: {header: x-s}, parse: {kind: raw}, enc: hex}
  content: [{lit: "<"}, body, {lit: "|"}, body, {lit: ">"}]
`, "X-S", hexMAC("<{}|{}>")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := provider.Parse([]byte(front + tt.spec))
			if err != nil {
				t.Fatal(err)
			}
			s, err := Compile(spec, Options{Keys: []Key{{ID: "k", Secret: []byte(strongSecret)}}})
			if err != nil {
				t.Fatal(err)
			}
			run(t, s, &Request{Body: []byte("{}"), Header: []Field{{tt.header, tt.value}}}, time.Unix(1700000000, 0), []attack{
				{"another body", func(r *Request) *Request { return r.body(func(b []byte) []byte { return append(b, ' ') }) }, outcome.BadSignature},
				{"another signature", set(tt.header, flipLast), outcome.BadSignature},
			})
		})
	}
}
