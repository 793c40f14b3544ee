package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds a configuration file in bytes.
const maxFile = 4 << 20

// spot is a place in a file; lines and columns count from 1, columns in characters.
type spot struct{ line, column int }

func (s spot) before(other spot) bool {
	return s.line < other.line || s.line == other.line && s.column < other.column
}

// region is a stretch of text that is not to be shown, from its first character up to but
// without end. The zero end is the end of the file.
type region struct{ start, end spot }

// text is a file as messages show it.
type text struct {
	name   string
	lines  []string
	hidden []region
	// starts are where the nodes of the file begin, in order.
	starts []spot
}

func newText(name string, data []byte) *text {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	lines := strings.Split(string(data), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return &text{name: name, lines: lines}
}

// check refuses what would let lines and columns be counted in two ways, or write to a terminal.
func (t *text) check(data []byte) (spot, error) {
	if len(data) > maxFile {
		return spot{1, 1}, fmt.Errorf("the file is larger than %s", Bytes(maxFile))
	}
	for i, line := range t.lines {
		column := 0
		for at, r := range line {
			column++
			if r == utf8.RuneError && !strings.HasPrefix(line[at:], "\ufffd") {
				return spot{i + 1, column}, errors.New("the file is not valid UTF-8")
			}
			if unsafeRune(r) {
				return spot{i + 1, column}, fmt.Errorf("the character %U is not allowed", r)
			}
		}
	}
	return spot{}, nil
}

func unsafeRune(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\ufeff')
}

// within moves s to the nearest place that the file has.
func (t *text) within(s spot) spot {
	line := min(max(s.line, 1), len(t.lines))
	width := utf8.RuneCountInString(t.lines[line-1])
	column := min(max(s.column, 1), width+1)
	if s.line > line {
		column = width + 1
	}
	return spot{line, column}
}

// excerptReach is how many characters of a long line are shown on either side of the caret.
const excerptReach = 100

// excerpt is the line at s without its hidden parts, and where in it the caret belongs.
func (t *text) excerpt(s spot) (line string, caret int) {
	var out []rune
	runes := []rune(t.lines[s.line-1])
	first, end := max(0, s.column-1-excerptReach), min(len(runes), s.column-1+excerptReach)
	hidden := t.hiddenOn(s.line)
	inside := false
	if first > 0 {
		out = append(out, '…')
	}
	for i := first; i < end; i++ {
		if i+1 == s.column {
			caret = len(out) + 1
		}
		was := inside
		inside = covers(hidden, spot{s.line, i + 1})
		switch {
		case !inside:
			out = append(out, shownRune(runes[i]))
		case !was:
			out = append(out, []rune(mask)...)
		case i+1 == s.column:
			caret = max(1, caret-len(mask))
		}
	}
	if caret == 0 {
		caret = len(out) + 1
	}
	if end < len(runes) {
		out = append(out, '…')
	}
	return string(out), caret
}

func (t *text) hiddenOn(line int) []region {
	var found []region
	for _, r := range t.hidden {
		if r.start.line <= line && (r.end == spot{} || line <= r.end.line) {
			found = append(found, r)
		}
	}
	return found
}

func covers(hidden []region, s spot) bool {
	return slices.ContainsFunc(hidden, func(r region) bool {
		return !s.before(r.start) && (r.end == spot{} || s.before(r.end))
	})
}

// shownRune keeps what a terminal would act on off the terminal; only a file that check
// refused has any.
func shownRune(r rune) rune {
	if unsafeRune(r) || r == utf8.RuneError {
		return '?'
	}
	return r
}
