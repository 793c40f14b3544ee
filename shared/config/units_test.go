package config

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"5m", 5 * time.Minute, true}, {"7d", 168 * time.Hour, true}, {"1d12h", 36 * time.Hour, true},
		{"1h30m", 90 * time.Minute, true}, {"0s", 0, true}, {"1.5s", 1500 * time.Millisecond, true},
		{"", 0, false}, {"5", 0, false}, {"-5m", 0, false}, {"5 m", 0, false}, {"1w", 0, false}, {"1.5d", 0, false},
		{"1h1d", 0, false}, {"99999999d", 0, false}, {"36500d999999h", 36500*24*time.Hour + 999999*time.Hour, true}, {"9999999h", 0, false},
	}
	for _, tt := range tests {
		var d Duration
		if err := d.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || time.Duration(d) != tt.want {
			t.Errorf("%q: got %v, %v, want %v, accepted %v", tt.text, time.Duration(d), err, tt.want, tt.ok)
		}
	}
}

func TestAmounts(t *testing.T) {
	tests := []struct {
		text string
		want Bytes
		ok   bool
	}{
		{"1MiB", 1 << 20, true}, {"10GiB", 10 << 30, true}, {"512", 512, true}, {"512B", 512, true}, {"0", 0, true},
		{"1MB", 0, false}, {"1.5MiB", 0, false}, {"-1", 0, false}, {"", 0, false}, {"1 MiB", 0, false}, {"010", 0, false},
		{"8388608TiB", 0, false}, {"8388607TiB", 8388607 << 40, true}, {"99999999999999999999", 0, false},
	}
	for _, tt := range tests {
		var b Bytes
		if err := b.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || b != tt.want {
			t.Errorf("%q: got %d, %v, want %d, accepted %v", tt.text, b, err, tt.want, tt.ok)
		}
	}
}

func TestUnitsReadWhatTheyWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(100*365*24*time.Hour)).Draw(t, "duration"))
		var gotD Duration
		if err := gotD.UnmarshalText([]byte(d.String())); err != nil || gotD != d {
			t.Errorf("%s: got %v, %v, want %v", d, gotD, err, d)
		}
		b := Bytes(rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes"))
		var gotB Bytes
		if err := gotB.UnmarshalText([]byte(b.String())); err != nil || gotB != b {
			t.Errorf("%s: got %v, %v, want %v", b, gotB, err, b)
		}
	})
}

func TestExpressions(t *testing.T) {
	tests := []struct {
		text, source string
		isExpr       bool
	}{
		{"= body.id", "body.id", true}, {"=body.id ", "body.id", true}, {"agent.done", "agent.done", false}, {" = x", " = x", false}, {"", "", false},
	}
	for _, tt := range tests {
		if e := Expr(tt.text); e.IsExpr() != tt.isExpr || e.Source() != tt.source {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.text, e.Source(), e.IsExpr(), tt.source, tt.isExpr)
		}
	}
}
