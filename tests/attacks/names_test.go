package attacks_test

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/bus"
	"pgregory.net/rapid"
)

// maxSubject is far below the 4 KiB over which the server closes a connection for good.
const maxSubject = 1024

// hostile draws what a sender may put into an id or a type.
func hostile() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", ".", "..", "*", ">", "=", "=2E", " ", "\x00", "\r\n", "$JS.API", "_INBOX", "a", "A.b-c_d", "é", "\xff", strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat(".", 5000)}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 4), func(p []string) string { return strings.Join(p, "") })
}

// publishable says whether a subject is literal: tokens of at least one plain byte or '='.
func publishable(subject string) bool {
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || len(token) > 192 {
			return false
		}
		for i := range len(token) {
			c := token[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '=') {
				return false
			}
		}
	}
	return len(subject) <= maxSubject
}

func decodeToken(token string) string {
	if token == "=" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b.WriteByte(token[i])
			continue
		}
		b.WriteByte(byte(strings.IndexByte("0123456789ABCDEF", token[i+1])<<4 | strings.IndexByte("0123456789ABCDEF", token[i+2])))
		i += 2
	}
	return b.String()
}

// TestTokens (N10): whatever a sender writes, a token is a token, and two values never meet
// on one.
func TestTokens(t *testing.T) {
	t.Run("N10 encoded values are tokens and can be read back", rapid.MakeCheck(func(t *rapid.T) {
		value := hostile().Draw(t, "value")
		token, ok := bus.EncodeToken(value)
		if !ok {
			if len(token) <= 192 {
				t.Fatalf("%q is refused at %d bytes", value, len(token))
			}
			return
		}
		if !publishable(token) || strings.Contains(token, ".") {
			t.Fatalf("%q became %q", value, token)
		}
		if got := decodeToken(token); got != value {
			t.Fatalf("%q became %q, which is also that of %q", value, token, got)
		}
	}))
	t.Run("N10 event types stay themselves or become _other", rapid.MakeCheck(func(t *rapid.T) {
		value := hostile().Draw(t, "value")
		got := bus.TypeTokens(value)
		if got != value && got != bus.OtherType || !publishable(got) || len(got) > 255+1 {
			t.Fatalf("%q became %q", value, got)
		}
	}))
	t.Run("N10 subjects of any type lie in their source's subtree", rapid.MakeCheck(func(t *rapid.T) {
		source := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,62}`).Draw(t, "source")
		n, eventType := bus.NewNames(""), hostile().Draw(t, "type")
		for subject, filter := range map[string]string{
			n.In(source, eventType): "dw.in." + source + ".>", n.Verified(source, eventType): n.VerifiedOf(source), n.Raw(source): n.RawLane(bus.LaneOf(source)),
		} {
			if !publishable(subject) || !covers(filter, subject) {
				t.Fatalf("%q became %q, outside of %q", eventType, subject, filter)
			}
		}
		if got := n.SourceOfRaw(n.Raw(source)); got != source {
			t.Fatalf("the source of %s is %q", n.Raw(source), got)
		}
	}))
	t.Run("N10 the longest subject that can be built", func(t *testing.T) {
		n := bus.NewNames(strings.Repeat("p", 64))
		longest := n.Verified(strings.Repeat("s", 63), strings.Repeat(strings.Repeat("t", 28)+".", 7)+strings.Repeat("t", 28))
		if !publishable(longest) || strings.HasSuffix(longest, bus.OtherType) {
			t.Errorf("it has %d bytes", len(longest))
		}
	})
}

// TestStreamAndConsumerNames (N10): names on the bus come from the table, never from input.
func TestStreamAndConsumerNames(t *testing.T) {
	f := open(t)
	for _, d := range f.Layout.Streams() {
		t.Run("N10 "+d.Config.Name, func(t *testing.T) {
			if !bus.ValidToken(d.Config.Name) {
				t.Error("not a token")
			}
			for _, c := range d.Consumers {
				if !bus.ValidToken(c.Durable) {
					t.Errorf("consumer %q is not a token", c.Durable)
				}
			}
		})
	}
}
