package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// secretKey matches keys whose values are taken for secrets wherever they stand, known or not.
var secretKey = regexp.MustCompile(`(?i)(secret|token|passw|sign$|signing|seal|nonce_key|seed|private|credential)`)

// userinfo matches a URL with a user in it.
var userinfo = regexp.MustCompile(`://[^/\s]*@`)

// hideSecrets hides what was written in the open although it should be a reference, so
// that no message about its line repeats it. It runs before anything is reported.
func (t *text) hideSecrets(root *yaml.Node) {
	t.starts = nil
	t.noteStarts(root)
	slices.SortFunc(t.starts, func(a, b spot) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	t.hideUnder(root, false)
}

func (t *text) noteStarts(n *yaml.Node) {
	t.starts = append(t.starts, spot{n.Line, n.Column})
	for _, child := range n.Content {
		t.noteStarts(child)
	}
}

func (t *text) hideUnder(n *yaml.Node, secret bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		var ref Ref
		if secret && ref.UnmarshalText([]byte(n.Value)) != nil || userinfo.MatchString(n.Value) {
			t.hide(n)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			t.hideUnder(n.Content[i+1], secretKey.MatchString(n.Content[i].Value))
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			t.hideUnder(item, secret)
		}
	}
}

// hide hides the scalars of n.
func (t *text) hide(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		start := spot{n.Line, n.Column}
		t.hidden = append(t.hidden, region{start, t.end(n, start)})
	}
	for _, child := range n.Content {
		t.hide(child)
	}
}

// end is where a scalar ends. YAML does not say: if it is not plain to see on its line, the
// scalar is taken to reach to whatever begins next.
func (t *text) end(n *yaml.Node, start spot) spot {
	runes := []rune(t.lines[start.line-1])
	rest := string(runes[min(start.column-1, len(runes)):])
	for _, quote := range []string{"", `"`, `'`} {
		written := quote + n.Value + quote
		simple := quote != "" || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0
		if simple && n.Value != "" && strings.HasPrefix(rest, written) {
			return spot{start.line, start.column + utf8.RuneCountInString(written)}
		}
	}
	next, _ := slices.BinarySearchFunc(t.starts, start, func(a, b spot) int {
		if b.before(a) {
			return 1
		}
		return -1
	})
	if next == len(t.starts) {
		return spot{}
	}
	at := t.starts[next]
	if before := []rune(t.lines[at.line-1])[:at.column-1]; strings.Trim(string(before), " \t-?[{,") == "" {
		at.column = 1 // nothing but YAML's own signs
	}
	return at
}

var writtenKey = regexp.MustCompile(`([A-Za-z0-9_-]+)["']?\s*:(\s|$)`)

// hideValues hides, on a line that could not be read as YAML, what follows a key of
// secrets, or all of a line that shows no key: it may be the middle of a secret.
func (t *text) hideValues(line int) {
	written := t.lines[line-1]
	keys := writtenKey.FindAllStringSubmatchIndex(written, -1)
	if keys == nil {
		t.hidden = append(t.hidden, region{spot{line, 1}, spot{line + 1, 1}})
	}
	for _, at := range keys {
		if secretKey.MatchString(written[at[2]:at[3]]) {
			from := spot{line, utf8.RuneCountInString(written[:at[1]]) + 1}
			t.hidden = append(t.hidden, region{from, spot{line + 1, 1}})
			return
		}
	}
}
