package record

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRecordIsMessageHTTP(t *testing.T) {
	r := Request{
		Method: "POST", Target: "/in/github?x=1", Host: "hooks.example",
		Header: []Field{{"Content-Type", "application/json"}, {"X-Sig", "b"}, {"X-Sig", "a"}, {"X-Utf", "\xff\xfe"}},
		Body:   []byte("{\r\n\r\n}"),
	}
	want := "POST /in/github?x=1 HTTP/1.1\r\nHost: hooks.example\r\nContent-Type: application/json\r\nX-Sig: b\r\nX-Sig: a\r\nX-Utf: \xff\xfe\r\n\r\n{\r\n\r\n}"
	got := r.Append(nil)
	if string(got) != want {
		t.Fatalf("record is\n%q, want\n%q", got, want)
	}
	if len(got) != r.Size() {
		t.Errorf("Size says %d, Append wrote %d", r.Size(), len(got))
	}
	back, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r) {
		t.Errorf("parsed %+v, want %+v", back, r)
	}
}

func TestParseRefusesWhatAppendCannotWrite(t *testing.T) {
	good := "POST /in/a HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\nbody"
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatalf("the good twin: %v", err)
	}
	for name, bad := range map[string]string{
		"empty":               "",
		"a publish ack":       `{"stream":"DW_RAW","seq":1}`,
		"no end of header":    "POST /in/a HTTP/1.1\r\nHost: h\r\n",
		"other protocol":      "POST /in/a HTTP/1.0\r\nHost: h\r\n\r\n",
		"space in target":     "POST /in/a b HTTP/1.1\r\nHost: h\r\n\r\n",
		"no host":             "POST /in/a HTTP/1.1\r\nA: 1\r\n\r\n",
		"lower-case name":     "POST /in/a HTTP/1.1\r\nHost: h\r\na: 1\r\n\r\n",
		"space before colon":  "POST /in/a HTTP/1.1\r\nHost: h\r\nA : 1\r\n\r\n",
		"fold":                "POST /in/a HTTP/1.1\r\nHost: h\r\nA: 1\r\n b\r\n\r\n",
		"bare LF":             "POST /in/a HTTP/1.1\r\nHost: h\r\nA: 1\nB: 2\r\n\r\n",
		"NUL":                 "POST /in/a HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n",
		"out of order":        "POST /in/a HTTP/1.1\r\nHost: h\r\nB: 2\r\nA: 1\r\n\r\n",
		"too many lines":      "POST /in/a HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: 1\r\n", MaxHeaderLines+1) + "\r\n",
		"too much header":     "POST /in/a HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("x", 20<<10) + "\r\n\r\n",
		"target over 2 KiB":   "POST /" + strings.Repeat("x", MaxTarget) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"method with a space": "PO ST /in/a HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		if _, err := Parse([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestRoundTripIsALaw(t *testing.T) {
	value := rapid.StringMatching(`[ -~\x{80}-\x{ff}\t]{0,40}`)
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Method: "POST", Target: "/in/a", Host: "h", Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body")}
		if r.Body == nil {
			r.Body = []byte{}
		}
		for _, name := range []string{"A", "B-C", "X-Sig"} {
			for range rapid.IntRange(0, 3).Draw(t, name) {
				r.Header = append(r.Header, Field{name, value.Draw(t, "value")})
			}
		}
		back, err := Parse(r.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, r) {
			t.Fatalf("parsed %+v, want %+v", back, r)
		}
	})
}

func TestValueWantsExactlyOneLine(t *testing.T) {
	r := Request{Header: []Field{{"A", "1"}, {"B", "2"}, {"B", "3"}, {"C", "4"}}}
	for name, want := range map[string]bool{"A": true, "B": false, "C": true, "D": false} {
		if _, ok := r.Value(name); ok != want {
			t.Errorf("Value(%q) ok = %v, want %v", name, ok, want)
		}
	}
}

func TestRedactHidesCredentials(t *testing.T) {
	r := Request{Method: "POST", Target: "/in/a?token=hunter2", Host: "h", Body: []byte("hunter2"),
		Header: []Field{{"Authorization", "hunter2"}, {"Content-Type", "text/plain"}, {"X-Hub-Signature-256", "hunter2"}, {"X-Mine", "hunter2"}}}
	view := r.Redact("X-Mine")
	if got := view.Append(nil); bytes.Contains(got, []byte("hunter2")) {
		t.Errorf("the redacted view holds the canary: %q", got)
	}
	if v, _ := view.Value("Content-Type"); v != "text/plain" {
		t.Errorf("Content-Type is %q, want it kept", v)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("POST /in/a HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\nbody"))
	f.Add([]byte(`{"stream":"DW_RAW","seq":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		if got := r.Append(nil); !bytes.Equal(got, data) {
			t.Fatalf("accepted %q but writes %q", data, got)
		}
	})
}

func TestKeptRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) []byte { return append([]byte{}, b...) })
		want := Kept{View: bytesOf.Draw(t, "view"), Sealed: bytesOf.Draw(t, "sealed")}
		got, err := ParseKept(want.Append(nil))
		if err != nil || !bytes.Equal(got.View, want.View) || !bytes.Equal(got.Sealed, want.Sealed) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
	for _, bad := range []string{"", "abc", "\xff\xff\xff\xffshort"} {
		if _, err := ParseKept([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("ParseKept(%q): got %v, want ErrMalformed", bad, err)
		}
	}
}
