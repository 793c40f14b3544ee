package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var errDoor = errors.New("unexpected token")

func TestADoorsMistakeIsPlacedLikeAnyOther(t *testing.T) {
	c, err := Load("testdata/everything.yaml", knownNames)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{"sources.agents.event.type", `testdata/everything.yaml:67:13: sources.agents.event.type: unexpected token
   67 |       type: '= "agent." + body.kind'
      |             ^`},
		{"sources.agents.verify.keys[1].secret", `testdata/everything.yaml:59:27: sources.agents.verify.keys[1].secret: unexpected token
   59 |         - { id: k1, secret: "file:keys/old", revoked: true }
      |                             ^`},
		{"sources.retired.event.id", `testdata/everything.yaml:74:3: sources.retired.event.id: unexpected token
   74 |   retired:
      |   ^`},
	}
	for _, tt := range tests {
		p := c.Problem(tt.path, errDoor)
		wantLine := strings.SplitN(tt.want, "\n", 2)[1]
		if got := strings.SplitN(p.Error(), "\n", 2); !strings.HasSuffix(got[0], tt.path+": unexpected token") || dropNumber(got[1]) != dropNumber(wantLine) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.path, p, tt.want)
		}
		if !errors.Is(p, errDoor) {
			t.Errorf("%s: the cause is lost", tt.path)
		}
	}
}

// dropNumber cuts the line number off an excerpt, so that the example file may grow.
func dropNumber(excerpt string) string {
	_, rest, _ := strings.Cut(excerpt, "|")
	return rest
}

func TestAProblemWithoutAFile(t *testing.T) {
	c := &Config{Path: "made.yaml"}
	p := c.Problem("sources.a", errDoor)
	p.Hint = "look"
	if got, want := p.Error(), "made.yaml: sources.a: unexpected token: look"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCollect(t *testing.T) {
	at := func(line int) Problem {
		return Problem{File: "f", Line: line, Column: 1, Message: fmt.Sprint(line)}
	}
	tests := []struct {
		name string
		errs []error
		want string
	}{
		{"nothing", []error{nil, nil}, ""},
		{"sorted and once", []error{Errors{at(3), at(1)}, nil, at(2), at(3)}, "f:1:1: 1\nf:2:1: 2\nf:3:1: 3"},
		{"joined and wrapped", []error{errors.Join(at(2), at(1)), fmt.Errorf("door: %w", at(4))}, "f:1:1: 1\nf:2:1: 2\nf:4:1: 4"},
		{"without a place", []error{at(1), errDoor}, "unexpected token\nf:1:1: 1"},
	}
	for _, tt := range tests {
		err := Collect(tt.errs...)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if !errors.Is(Collect(at(1), errDoor), errDoor) {
		t.Error("the cause is lost")
	}
}

func TestLongLinesAreCutAroundTheCaret(t *testing.T) {
	text := newText("f", []byte(strings.Repeat("a", 500)+"X"+strings.Repeat("b", 500)))
	line, caret := text.excerpt(spot{1, 501})
	if got := []rune(line); len(got) > 2*excerptReach+2 || got[caret-1] != 'X' {
		t.Errorf("got %d characters with %q at the caret", len(got), got[caret-1])
	}
}

func TestDistanceIsADistance(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Errorf("distance(%q, %q) = %d", a, b, d)
		}
	})
	if got := distance("listen", "litsen"); got != 1 {
		t.Errorf("a swap: got %d, want 1", got)
	}
}

func TestSubjectTemplates(t *testing.T) {
	parts, err := ParseSubject("agents.resume.x-{correlationid}_y", "dw")
	want := []SubjectPart{{Literal: "agents"}, {Literal: "."}, {Literal: "resume"}, {Literal: "."}, {Literal: "x-"}, {Attribute: "correlationid"}, {Literal: "_y"}}
	if err != nil || fmt.Sprint(parts) != fmt.Sprint(want) {
		t.Fatalf("got %v, %v, want %v", parts, err, want)
	}
	for _, bad := range []string{"", "dw", "dw.x", "acme.x", "$JS.x", "_INBOX.x", "_inbox_ingress.x", "{id}.x", "a{id}", "x.{", "x.}", "x.{}", "x.{Id}", "x.{id", "x.>", "x.*", "x. y", "x.", ".x", "x.{id}{type}", "x.$a", "x.\x00"} {
		if parts, err := ParseSubject(bad, "acme"); err == nil {
			t.Errorf("%q: got %v, want a refusal", bad, parts)
		}
	}
}
