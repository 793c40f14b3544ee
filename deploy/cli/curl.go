package cli

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/verifier/signature"
)

// curlOf is a command line for a POSIX shell that sends the same request, byte for byte.
func curlOf(url string, r *signature.Request) string {
	line := "curl -sS -X POST " + quoted(url)
	for _, f := range r.Header {
		line += " \\\n  -H " + quoted(f.Name+": "+f.Value)
	}
	if len(r.Body) == 0 || plain(r.Body) {
		// Not --data-binary, for which a body that begins with @ would name a file.
		return line + " \\\n  --data-raw " + quoted(string(r.Body))
	}
	return "printf %s " + quoted(base64.StdEncoding.EncodeToString(r.Body)) + " | base64 -d |\n" + line + " \\\n  --data-binary @-"
}

// plain says whether body can stand in a command line and on a terminal.
func plain(body []byte) bool {
	return utf8.Valid(body) && !strings.ContainsFunc(string(body), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' })
}

// quoted is text in single quotes (POSIX shell, 2.2.2).
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
