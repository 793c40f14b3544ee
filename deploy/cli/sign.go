package cli

import (
	"fmt"

	"github.com/doorward/doorward/verifier/signature"
	"github.com/spf13/cobra"
)

// Formats of sign.
const (
	formatHeaders = "headers"
	formatCurl    = "curl"
)

// sign makes a signature and sends nothing.
func (a *app) sign() *cobra.Command {
	var l letter
	c := &cobra.Command{
		Use:   "sign SOURCE",
		Short: "Sign a body as the source's sender would, and print the headers",
		Long: `Sign a body as the source's sender would, with the source's key from the configuration,
and print the headers (-o headers), a curl command (-o curl) or both as JSON (-o json).
Nothing is sent, and no secret is printed.`,
		Example: `  doorward sign agents -d '{"task_id":"t-1","status":"completed"}'
  doorward sign agents -d @body.json -o curl`,
		Args:              takes("SOURCE"),
		ValidArgsFunction: a.sourceNames,
		RunE: func(_ *cobra.Command, args []string) error {
			format, err := a.format(formatHeaders, formatCurl, formatJSON)
			if err != nil {
				return err
			}
			s, err := a.signer(args[0], &l, "")
			if err != nil {
				return err
			}
			r, err := a.signOne(s, &l)
			if err != nil {
				return err
			}
			return a.printSigned(format, s.url, r)
		},
	}
	l.flags(c)
	return c
}

// signOne makes the request that l describes.
func (a *app) signOne(s *signer, l *letter) (*signature.Request, error) {
	now := a.Now()
	id := l.id
	if id == "" {
		id = newID(now)
	}
	body, err := a.body(l.data, id)
	if err != nil {
		return nil, err
	}
	return s.sign(body, id, now)
}

func (a *app) printSigned(format, url string, r *signature.Request) error {
	switch format {
	case formatCurl:
		_, err := fmt.Fprintln(a.Stdout, printableLines(curlOf(url, r)))
		return err
	case formatJSON:
		headers := map[string]string{}
		for _, f := range r.Header {
			headers[f.Name] = f.Value
		}
		return writeAs(a.Stdout, format, map[string]any{"url": url, "method": r.Method, "headers": headers, "body_base64": r.Body})
	}
	for _, f := range r.Header {
		if _, err := fmt.Fprintln(a.Stdout, printable(f.Name+": "+f.Value)); err != nil {
			return err
		}
	}
	return nil
}

// sourceNames completes SOURCE.
func (a *app) sourceNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if cfg, _ := a.load(); cfg != nil && len(args) == 0 {
		for name := range cfg.Sources {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
