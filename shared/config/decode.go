package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Options are the names that other packages own. A nil list accepts any name.
type Options struct {
	// Providers a source may name.
	Providers []string
	// Identities that nats.credentials may name.
	Identities []string
}

// Load reads the file at path and makes relative paths in it absolute, from its directory. A file
// with mistakes gives Errors, and beside them a Config of the sources and targets that have none:
// not to be run, but for the doors to find further mistakes in. Other errors are
// those of reading the file; then the Config is nil.
func Load(path string, o Options) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return loaded(path, data, o, false)
}

// LoadProjected is Load for what Project wrote, where sources may have no keys.
func LoadProjected(path string, o Options) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return loaded(path, data, o, true)
}

func loaded(path string, data []byte, o Options, projected bool) (*Config, error) {
	c, err := decode(path, data, o, projected)
	c.Path = path
	dir := filepath.Dir(path)
	if abs, absErr := filepath.Abs(dir); absErr == nil {
		dir = abs
	}
	c.resolvePaths(dir)
	return c, err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Decode is Load from memory: name stands in messages, and paths stay as they are written.
// The Config is never nil, the error is nil or Errors.
func Decode(name string, data []byte, o Options) (*Config, error) {
	return decode(name, data, o, false)
}

// DecodeProjected is Decode for what Project writes, where sources may have no keys.
func DecodeProjected(name string, data []byte, o Options) (*Config, error) {
	return decode(name, data, o, true)
}

func decode(name string, data []byte, o Options, projected bool) (*Config, error) {
	t := newText(name, data)
	d := &decoder{origin: &origin{text: t, places: map[string]place{}, options: o, projected: projected, digest: sha256.Sum256(data)}}
	c := &Config{origin: d.origin}
	if at, err := t.check(data); err != nil {
		d.fail(at, "", err.Error(), "")
	} else if root := d.parse(data); root != nil {
		t.hideSecrets(root)
		d.document(root, c)
		fillDefaults(c)
		d.validate(c)
	}
	c.keepSound(d.problems)
	return c, d.err()
}

// err is every problem found, once and in order, or nil.
func (d *decoder) err() error {
	var all Errors
	for _, f := range d.problems {
		all = append(all, d.located(f.at, Problem{Path: f.path, Message: f.message, Hint: f.hint}))
	}
	return Collect(all)
}

// parse returns the only document's root, or nil after it has reported why there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.fail(spot{1, 1}, "", err.Error(), "")
		return nil
	}
	var doc, next yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		d.fail(spot{1, 1}, "", "the file is empty", "begin with version: 1")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	if err := loader.Load(&next); err == nil {
		d.fail(spot{next.Line, next.Column}, "", "a second document is not allowed", "")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	return doc.Content[0]
}

// syntax reports where YAML could not be read. What of the line is a secret can't be known
// then, so it is hidden behind every key.
func (d *decoder) syntax(err error) {
	at, message := spot{1, 1}, err.Error()
	var load *yaml.LoadError
	if errors.As(err, &load) {
		at, message = d.text.within(spot{load.Mark.Line, load.Mark.Column}), load.Message
		if load.ContextMsg != "" {
			message += " " + load.ContextMsg
		}
	}
	d.text.hideValues(at.line)
	d.fail(at, "", "not valid YAML: "+message, "")
}

// resolvePaths makes the paths of a file independent of where the program runs.
func (c *Config) resolvePaths(dir string) {
	if e := c.NATS.Embedded; e != nil {
		e.Store = joined(dir, e.Store)
	}
	c.NATS.CA = joined(dir, c.NATS.CA)
	for id, ref := range c.NATS.Credentials {
		c.NATS.Credentials[id] = ref.under(dir)
	}
	c.Verifier.Seal, c.Verifier.NonceKey = c.Verifier.Seal.under(dir), c.Verifier.NonceKey.under(dir)
	c.Admin.Token = c.Admin.Token.under(dir)
	for name, s := range c.Sources {
		s.Schema = joined(dir, s.Schema)
		for i := range s.Verify.Keys {
			s.Verify.Keys[i].Secret = s.Verify.Keys[i].Secret.under(dir)
		}
		c.Sources[name] = s
	}
	for _, t := range c.Targets {
		if t.HTTP != nil {
			t.HTTP.Sign = t.HTTP.Sign.under(dir)
		}
	}
}

// keepSound drops the sources and targets that have a mistake, and the targets that need one of those.
func (c *Config) keepSound(found []finding) {
	for _, f := range found {
		if name, ok := entry("sources", f.path); ok {
			delete(c.Sources, name)
		}
		if name, ok := entry("targets", f.path); ok {
			delete(c.Targets, name)
		}
	}
	for name, t := range c.Targets {
		if slices.ContainsFunc(t.From, func(s string) bool { _, ok := c.Sources[s]; return !ok }) {
			delete(c.Targets, name)
		}
	}
}

var firstKey = regexp.MustCompile(`^\.([A-Za-z0-9_-]+)`)

// entry is the name after section in path.
func entry(section, path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, section)
	match := firstKey.FindStringSubmatch(rest)
	if !ok || match == nil {
		return "", false
	}
	return match[1], true
}
