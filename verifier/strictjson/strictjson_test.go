package strictjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]any{
		`{"a":[1,-2,1.5,true,null,"x"]}`: map[string]any{"a": []any{int64(1), int64(-2), 1.5, true, nil, "x"}},
		`12345678901234567890123`:        Number("12345678901234567890123"),
		`-0`:                             Number("-0"),
		`1e400`:                          Number("1e400"),
		` "\u00e9" `:                     "é",
		`{"ID":1,"id":2}`:                map[string]any{"ID": int64(1), "id": int64(2)},
	} {
		got, err := Decode([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%s) = %#v, %v, want %#v", text, got, err, want)
		}
	}
}

// P01–P06 of the catalogue.
func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"P01 depth":            {strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2), ErrTooDeep},
		"P01 million":          {strings.Repeat("[", 1_000_000), ErrTooDeep},
		"P02 duplicate":        {`{"id":1,"id":2}`, ErrSyntax},
		"P02 escaped twin":     {`{"id":1,"\u0069d":2}`, ErrSyntax},
		"P04 bad UTF-8":        {"\"\xff\"", ErrSyntax},
		"P04 lone surrogate":   {`"\ud800"`, ErrSyntax},
		"P05 long number":      {strings.Repeat("1", MaxNumber+1), ErrTooDeep},
		"P06 two documents":    {`{} {}`, ErrSyntax},
		"P06 trailing":         {`{}x`, ErrSyntax},
		"P06 byte order mark":  {"\ufeff{}", ErrSyntax},
		"P06 NaN":              {`NaN`, ErrSyntax},
		"P06 leading zero":     {`01`, ErrSyntax},
		"P06 trailing comma":   {`[1,]`, ErrSyntax},
		"P06 empty":            {``, ErrSyntax},
		"P06 only white space": {" \n", ErrSyntax},
	} {
		if _, err := Decode([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := Decode([]byte(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))); err != nil {
		t.Errorf("the deepest allowed: %v", err)
	}
}

func TestLookup(t *testing.T) {
	v, err := Decode([]byte(`{"data":{"object":{"id":"ch_1","n":9007199254740993,"f":1.5}},"a.b":"x","empty":""}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"data.object.id": "ch_1", "data.object.n": "9007199254740993", "data.object.f": "", "data": "", "no": "", "empty": ""} {
		if got, ok := Lookup(v, path); got != want || ok != (want != "") {
			t.Errorf("Lookup(%q) = %q, %v, want %q", path, got, ok, want)
		}
	}
}

// FuzzDecode: whatever is accepted, the standard decoder accepts too.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,{"b":null}]}`, `"\u00e9"`, `1e5`, `{"id":1,"id":2}`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Decode(data); err == nil && !json.Valid(data) {
			t.Fatalf("accepted %q", data)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"task_id":"t-1","status":"completed","result":{"text":"` + strings.Repeat("x", 900) + `"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
