package signature

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/shared/provider"
)

// delivery is one file of shared/provider/testdata.
type delivery struct {
	provider string
	options  Options
	received time.Time
	class    byte
	id       string
	request  Request
}

// deliveries reads every recorded delivery, by file name.
func deliveries(t testing.TB) map[string]*delivery {
	t.Helper()
	files, err := filepath.Glob("../../shared/provider/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d deliveries, %v", len(files), err)
	}
	out := map[string]*delivery{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDelivery(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".txtar")] = d
	}
	return out
}

// parseDelivery reads the sections delivery, header and body. The line end after the body is not part of it.
func parseDelivery(text string) (*delivery, error) {
	_, text, _ = strings.Cut(text, "-- delivery --\n")
	meta, rest, _ := strings.Cut(text, "-- header --\n")
	header, body, ok := strings.Cut(rest, "-- body --\n")
	if !ok {
		return nil, fmt.Errorf("a section is missing")
	}
	d := &delivery{options: Options{With: map[string]string{}, AllowWeakSecret: true}}
	d.request = Request{Method: "POST", Target: "/in/x", Body: []byte(strings.TrimSuffix(body, "\n"))}
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		d.request.Header = append(d.request.Header, Field{name, value})
	}
	key := Key{ID: "k"}
	for line := range strings.Lines(meta) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if err := d.set(&key, name, value); err != nil {
			return nil, err
		}
	}
	d.options.Keys = []Key{key}
	return d, nil
}

func (d *delivery) set(key *Key, name, value string) error {
	if parameter, ok := strings.CutPrefix(name, "with."); ok {
		d.options.With[parameter] = value
		return nil
	}
	switch name {
	case "provider":
		d.provider = value
	case "secret":
		key.Secret = []byte(value)
	case "private":
		key.Private = []byte(value)
	case "class":
		d.class = value[0]
	case "id":
		d.id = value
	case "received":
		seconds, err := strconv.ParseInt(value, 10, 64)
		d.received = time.Unix(seconds, 0)
		return err
	default:
		return fmt.Errorf("no field %q", name)
	}
	return nil
}

// scheme compiles the delivery's source, after change has had its way with the options.
func (d *delivery) scheme(t testing.TB, change func(*Options)) *Scheme {
	t.Helper()
	opt := d.options
	opt.Keys = slices.Clone(opt.Keys)
	if change != nil {
		change(&opt)
	}
	return compile(t, d.provider, opt)
}

func (d *delivery) variant(t testing.TB) *provider.Variant {
	t.Helper()
	spec, err := provider.Load(d.provider)
	if err != nil {
		t.Fatal(err)
	}
	v, err := spec.Resolve(d.options.With)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// with is a copy of the request with one header's value changed.
func (r *Request) with(name string, change func(string) string) *Request {
	c := *r
	c.Header = slices.Clone(r.Header)
	for i := range c.Header {
		if c.Header[i].Name == name {
			c.Header[i].Value = change(c.Header[i].Value)
		}
	}
	return &c
}

func (r *Request) without(name string) *Request {
	c := *r
	c.Header = slices.DeleteFunc(slices.Clone(r.Header), func(f Field) bool { return f.Name == name })
	return &c
}

func (r *Request) plus(f Field) *Request {
	c := *r
	c.Header = append(slices.Clone(r.Header), f)
	return &c
}

func (r *Request) value(name string) string {
	for _, f := range r.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (r *Request) body(change func([]byte) []byte) *Request {
	c := *r
	c.Body = change(slices.Clone(r.Body))
	return &c
}

// lookup reads a dotted path of a JSON body; nil if it is none.
func lookup(body []byte) func(string) (string, bool) {
	var root any
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if d.Decode(&root) != nil {
		return nil
	}
	return func(path string) (string, bool) {
		at := root
		for _, name := range strings.Split(path, ".") {
			object, _ := at.(map[string]any)
			at = object[name]
		}
		switch v := at.(type) {
		case string:
			return v, true
		case json.Number:
			return v.String(), true
		}
		return "", false
	}
}
