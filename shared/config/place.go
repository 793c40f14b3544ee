package config

import (
	"regexp"
	"strconv"
	"strings"
)

// place is where a key and its value stand; an item of a list has no key of its own.
type place struct{ key, value spot }

// origin is what a Config remembers of the text it came from.
type origin struct {
	text      *text
	places    map[string]place
	options   Options
	projected bool
	digest    [32]byte
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// keyPath is the path of a key inside the mapping at parent.
func keyPath(parent, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return parent + "[" + strconv.Quote(clipped(key)) + "]"
	case parent == "":
		return key
	}
	return parent + "." + key
}

// itemPath is the path of an item of the list at parent.
func itemPath(parent string, i int) string { return parent + "[" + strconv.Itoa(i) + "]" }

// parentPath drops the last step of a path.
func parentPath(path string) string {
	if end := strings.LastIndexAny(path, ".["); end >= 0 {
		return path[:end]
	}
	return ""
}

// spot is where a message about path points: at the value, or, if the path is not in the
// file, at the key of the nearest mapping that would hold it.
func (o *origin) spot(path string) spot {
	if at, ok := o.places[path]; ok {
		return at.value
	}
	for path != "" {
		path = parentPath(path)
		if at, ok := o.places[path]; ok {
			return at.key
		}
	}
	return spot{1, 1}
}

// has reports whether the file has a value at path.
func (o *origin) has(path string) bool {
	_, ok := o.places[path]
	return ok
}

// problem fills in what a message about path shows of the file.
func (o *origin) problem(path, message, hint string) Problem {
	return o.located(o.spot(path), Problem{Path: path, Message: message, Hint: hint})
}

func (o *origin) located(at spot, p Problem) Problem {
	at = o.text.within(at)
	p.File, p.Line, p.Column = o.text.name, at.line, at.column
	p.SourceLine, p.caret = o.text.excerpt(at)
	return p
}

// Problem places err at a configuration path such as sources.agents.event.type, so that
// what a door finds out while it compiles its part reads like any other mistake. A path
// that is not in the file points at the nearest mapping around it.
func (c *Config) Problem(path string, err error) Problem {
	p := Problem{File: c.Path, Path: path, Message: err.Error()}
	if c.origin != nil {
		p = c.origin.problem(path, err.Error(), "")
	}
	p.cause = err
	return p
}
