package nats

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/event"
	"pgregory.net/rapid"
)

func parse(t interface{ Fatal(...any) }, template string) []config.SubjectPart {
	parts, err := config.ParseSubject(template, "dw")
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func TestRender(t *testing.T) {
	e := &event.Event{ID: "i.1", DwSource: "github", Source: "https://x/y", Type: "com.github.push", Subject: "a b", CorrelationID: "c"}
	for template, want := range map[string]string{
		"a.b":                  "a.b",
		"a.{id}":               "a.i=2E1",
		"a.{source}.x":         "a.github.x",
		"a.{type}":             "a.com=2Egithub=2Epush",
		"a.pre-{subject}-post": "a.pre-a=20b-post",
		"a.{correlationid}":    "a.c",
	} {
		if got, err := render(parse(t, template), e); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", template, got, err, want)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for template, e := range map[string]*event.Event{
		"a.{correlationid}": {},
		"a.{subject}":       {Subject: strings.Repeat(".", 100)},
	} {
		if got, err := render(parse(t, template), e); err == nil {
			t.Errorf("%s: got %q", template, got)
		}
	}
}

func TestTwoValuesNeverMeet(t *testing.T) {
	parts := parse(t, "a.x{correlationid}y.{id}")
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *event.Event {
			text := rapid.StringMatching(`[ab.=2E*> \n]{1,6}`)
			return &event.Event{ID: text.Draw(t, name+" id"), CorrelationID: text.Draw(t, name+" correlation")}
		}
		one, other := draw("one"), draw("other")
		same := one.ID == other.ID && one.CorrelationID == other.CorrelationID
		first, err := render(parts, one)
		if err != nil {
			t.Fatal(err)
		}
		second, err := render(parts, other)
		if err != nil {
			t.Fatal(err)
		}
		if (first == second) != same || strings.Count(first, ".") != 2 || strings.ContainsAny(first, "*> \n") {
			t.Fatalf("%+v on %q, %+v on %q", one, first, other, second)
		}
	})
}

func TestMessageIDBelongsToOneSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *event.Event {
			return &event.Event{ID: rapid.StringMatching(`[a-c.%\n ]{1,5}`).Draw(t, name), DwSource: rapid.SampledFrom([]string{"a", "b", "a-b"}).Draw(t, name)}
		}
		one, other := draw("one"), draw("other")
		same := one.ID == other.ID && one.DwSource == other.DwSource
		if (MessageID("t", one) == MessageID("t", other)) != same || strings.ContainsAny(MessageID("t", one), "\n ") {
			t.Fatalf("%q and %q", MessageID("t", one), MessageID("t", other))
		}
	})
}
