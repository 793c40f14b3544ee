package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// Formats of what goes to stdout.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatYAML  = "yaml"
)

// format is what -o says; the first of allowed is the default.
func (a *app) format(allowed ...string) (string, error) {
	if len(allowed) == 0 {
		allowed = []string{formatTable, formatJSON, formatJSONL, formatYAML}
	}
	if a.output == "" {
		return allowed[0], nil
	}
	if !slices.Contains(allowed, a.output) {
		return "", usage("no output format %q here: there are %s", a.output, strings.Join(allowed, ", "))
	}
	return a.output, nil
}

// emit writes one result in the format that was asked for. Lines are what jsonl shows one
// by one, nil for the result itself.
func emit[T any](a *app, result any, lines []T, table func(*grid)) error {
	format, err := a.format()
	switch {
	case err != nil:
		return err
	case format == formatTable:
		g := newGrid(a.Stdout)
		table(g)
		return g.flush()
	case format == formatJSONL && lines != nil:
		for _, line := range lines {
			if err := writeAs(a.Stdout, format, line); err != nil {
				return err
			}
		}
		return nil
	}
	return writeAs(a.Stdout, format, result)
}

// writeAs writes v in one of the formats that are not for people.
func writeAs(w io.Writer, format string, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if format == formatJSON {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if format != formatYAML {
		_, err := w.Write(escapedJSON(text.Bytes()))
		return err
	}
	out, err := yamlOf(text.Bytes())
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	_, err = w.Write(out)
	return err
}

// yamlOf turns JSON into YAML with the names and the order that it has.
func yamlOf(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Load(escapedYAML(text), &doc); err != nil {
		return nil, err
	}
	restyle(&doc)
	out, err := yaml.Dump(&doc)
	return escapedYAML(out), err
}

// restyle makes blocks of what JSON wrote in braces. Only in double quotes can a character
// be escaped, so that is where texts with others than printable ones stay.
func restyle(n *yaml.Node) {
	plain := !strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) })
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	} else if plain && n.Tag == "!!str" {
		n.Style = 0
	}
	for _, child := range n.Content {
		restyle(child)
	}
}

// grid is a table of which every cell is printable.
type grid struct{ w *tabwriter.Writer }

func newGrid(w io.Writer) *grid { return &grid{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (g *grid) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		if text[i] = printable(fmt.Sprint(c)); text[i] == "" {
			text[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(g.w, strings.Join(text, "\t"))
}

func (g *grid) gap() { _, _ = fmt.Fprintln(g.w) }

func (g *grid) flush() error { return g.w.Flush() }

// note tells something on stderr that is not the result.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		_, _ = fmt.Fprintln(a.Stderr, printable(fmt.Sprintf(format, args...)))
	}
}

// Colours (ECMA-48 SGR), of our own words only.
const (
	red   = "31"
	green = "32"
)

func (a *app) paint(color, text string) string {
	on := a.color == "always" || a.color != "never" && a.Terminal && a.Env("NO_COLOR") == ""
	if !on || a.output != "" && a.output != formatTable {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
