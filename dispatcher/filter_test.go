package dispatcher

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/shared/event"
)

func TestFilter(t *testing.T) {
	e := &event.Event{ID: "1", Source: "doorward:a", Type: "x.y", DwSource: "a", CorrelationID: "c", DataContentType: "application/json", Data: []byte(`{"n": 2, "list": [1, 2]}`)}
	for when, want := range map[string]bool{
		"":                          true,
		`event.correlationid != ""`: true,
		`event.type startsWith "x." && source == "a"`: true,
		`data.n == 2 && 2 in data.list`:               true,
		`data.missing == nil`:                         true,
		`$env["data"].n == 2`:                         true,
		`event.subject != ""`:                         false,
		`source == "doorward:a"`:                      false,
	} {
		f, err := newFilter(when)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got, err := f.match(e); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", when, got, err, want)
		}
	}
}

func TestFilterThatDoesNotCompile(t *testing.T) {
	for _, when := range []string{"event.nothing", "event.id", "data.n +", "body.x", strings.Repeat("event.id != '' && ", 500) + "true"} {
		if f, err := newFilter(when); err == nil {
			t.Errorf("%.40s: compiled to %v", when, f)
		}
	}
}

func TestFilterThatFails(t *testing.T) {
	json := &event.Event{DataContentType: "application/json", Data: []byte(`{"n": "x"}`)}
	broken := &event.Event{DataContentType: "application/json", Data: []byte(`{"n": `)}
	text := &event.Event{DataContentType: "text/plain", Data: []byte(`{"n": true}`)}
	for when, e := range map[string]*event.Event{
		"data.n > 1":                       json,
		"data.n":                           json,
		"data.n == 1":                      broken,
		"data.n.m.o":                       text,
		"len(map(1..1000000, {#})) > 10":   json,
		"all(data, {#.x})":                 json,
		`len(repeat("x", 1000000000)) > 1`: json,
	} {
		f, err := newFilter(when)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got, err := f.match(e); err == nil {
			t.Errorf("%s: got %v without an error", when, got)
		}
	}
}

// Broken data fails only those who look at it: decoding is for them alone.
func TestFilterDecodesOnlyWhatItLooksAt(t *testing.T) {
	broken := &event.Event{ID: "1", DataContentType: "application/json", Data: []byte(`{`)}
	for when, looks := range map[string]bool{`event.id == "1"`: false, `event.id == "1" || data.x`: true} {
		f, err := newFilter(when)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.match(broken); (err != nil) != looks {
			t.Errorf("%s: %v", when, err)
		}
	}
}
