package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as in Go with days on top: "90s", "1h30m", "7d".
// Never negative.
type Duration time.Duration

var (
	durationForm = regexp.MustCompile(`^([0-9]+d|([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)$`)
	days         = regexp.MustCompile(`^([0-9]+)d`)
)

// UnmarshalText reads a number with a unit out of ns, us, ms, s, m, h, or whole days with d.
func (d *Duration) UnmarshalText(text []byte) error {
	if !durationForm.Match(text) {
		return fmt.Errorf("must be a duration such as 90s, 5m or 7d, not %q", clipped(string(text)))
	}
	total, err := parseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q is too long", clipped(string(text)))
	}
	*d = Duration(total)
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	found := days.FindString(text)
	if found == "" {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(found, "d"), 10, 64)
	if err != nil || n > 100*365 {
		return 0, strconv.ErrRange
	}
	whole := time.Duration(n) * 24 * time.Hour
	if text == found {
		return whole, nil
	}
	rest, err := time.ParseDuration(text[len(found):])
	if err != nil || rest > math.MaxInt64-whole {
		return 0, strconv.ErrRange
	}
	return whole + rest, nil
}

// String is the duration without empty parts: "5m", "168h", "1m30s".
func (d Duration) String() string {
	text := strings.Replace(time.Duration(d).String(), "µ", "u", 1)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Bytes is an amount of bytes, written as a plain number or with B, KiB, MiB, GiB or TiB.
type Bytes int64

var bytesForm = regexp.MustCompile(`^(0|[1-9][0-9]*)(B|KiB|MiB|GiB|TiB)?$`)

var byteUnits = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads whole amounts only.
func (b *Bytes) UnmarshalText(text []byte) error {
	parts := bytesForm.FindStringSubmatch(string(text))
	if parts == nil {
		return fmt.Errorf("must be an amount such as 512KiB, 1MiB or 10GiB, not %q", clipped(string(text)))
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	size := unitSize(parts[2])
	if err != nil || n > math.MaxInt64/size {
		return fmt.Errorf("amount %q is too large", clipped(string(text)))
	}
	*b = Bytes(n * size)
	return nil
}

func unitSize(name string) int64 {
	for _, unit := range byteUnits {
		if unit.name == name {
			return unit.size
		}
	}
	return 1
}

// String is the amount in the largest unit that loses nothing.
func (b Bytes) String() string {
	for _, unit := range byteUnits {
		if b != 0 && int64(b)%unit.size == 0 {
			return strconv.FormatInt(int64(b)/unit.size, 10) + unit.name
		}
	}
	return "0B"
}

// MarshalText writes what UnmarshalText reads.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// clipped shortens text from a file before it is repeated in a message.
func clipped(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
