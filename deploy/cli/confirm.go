package cli

import (
	"bufio"
	"fmt"
	"strings"
)

// ask wants a yes: from --yes, or from whoever sits at the terminal. Where nobody can
// answer it fails at once. Would says what is at stake, look how to find out more.
func (a *app) ask(would, question, look string) error {
	if a.yes {
		return nil
	}
	if a.noInput || !a.Interactive {
		return fail(ExitUnconfirmed, "%s and there is no terminal to confirm on", would).try("add --yes; " + look)
	}
	_, _ = fmt.Fprintf(a.Stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.Stdin).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(line)); word == "y" || word == "yes" {
		return nil
	}
	return fail(ExitUnconfirmed, "nothing was done").because(err)
}
