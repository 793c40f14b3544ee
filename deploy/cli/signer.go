package cli

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/shared/config"
	"github.com/doorward/doorward/shared/provider"
	"github.com/doorward/doorward/verifier/signature"
	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"
)

// maxData bounds what is read from a file or stdin; no source takes larger bodies.
const maxData = 8 << 20

// letter is what send and sign have in common: what is signed, and as whom.
type letter struct {
	data, key, id, url, private string
	header                      []string
}

func (l *letter) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&l.data, "data", "d", "", "the body: `DATA`, @FILE or - for stdin (else a small JSON object)")
	f.StringArrayVarP(&l.header, "header", "H", nil, "another header, as `NAME:VALUE`; may be repeated")
	f.StringVar(&l.key, "key", "", "`ID` of the source's key to sign with (else the first that is valid now)")
	f.StringVar(&l.id, "id", "", "`ID` of the message, where the scheme has one in a header (else a new one)")
	f.StringVar(&l.url, "url", "", "`URL` to post to (else ingress.public_url or ingress.listen)")
	f.StringVar(&l.private, "private", "", "`REF` (env:NAME or file:PATH) to the private key, for sources with a public one")
}

// signer makes one source's signatures.
type signer struct {
	source string
	url    string
	scheme *signature.Scheme
	key    string
	header []signature.Field
	// tamper is what is wrong with every request on purpose, "" for nothing.
	tamper string
}

// signer reads what is needed to sign as source, and of all secrets only that of one key.
func (a *app) signer(source string, l *letter, tamper string) (*signer, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	src, ok := cfg.Sources[source]
	if !ok {
		return nil, fail(ExitNotFound, "there is no source %q in %s", source, cfg.Path).
			try("there are " + strings.Join(slices.Sorted(maps.Keys(cfg.Sources)), ", "))
	}
	if src.Disabled {
		a.note("source %s is disabled: the ingress answers as if it were not there", source)
	}
	s := &signer{source: source, tamper: tamper}
	if s.url, err = l.address(cfg, source); err != nil {
		return nil, err
	}
	if s.header, err = parseHeader(l.header); err != nil {
		return nil, err
	}
	if err := s.compile(cfg, src, l, a.Now()); err != nil {
		return nil, err
	}
	return s, s.check(l)
}

func (s *signer) compile(cfg *config.Config, src config.Source, l *letter, now time.Time) error {
	spec, err := provider.Load(src.Verify.Provider)
	if err != nil {
		return err
	}
	variant, err := spec.Resolve(src.Verify.With)
	if err != nil {
		return cfg.Problem("sources."+s.source+".verify", err)
	}
	key, err := s.material(cfg, src, l, variant, now)
	if err != nil {
		return err
	}
	s.key = key.ID
	s.scheme, err = signature.Compile(spec, signature.Options{
		With: src.Verify.With, Keys: []signature.Key{key}, Tolerance: time.Duration(src.Verify.Tolerance),
		Skew: time.Duration(cfg.Verifier.Skew), AllowWeakSecret: src.Verify.AllowWeakSecret,
	})
	if err != nil {
		return cfg.Problem("sources."+s.source+".verify", err)
	}
	return nil
}

// material is the key that signs, with its secret.
func (s *signer) material(cfg *config.Config, src config.Source, l *letter, v *provider.Variant, now time.Time) (signature.Key, error) {
	i, err := chooseKey(s.source, src.Verify.Keys, l.key, now)
	if err != nil {
		return signature.Key{}, err
	}
	if s.tamper == tamperKey {
		return strangeKey(v.Keys, src.Verify.Keys[i].ID)
	}
	key := signature.Key{ID: src.Verify.Keys[i].ID}
	secret, err := src.Verify.Keys[i].Secret.Resolve()
	if err != nil {
		return key, cfg.Problem(fmt.Sprintf("sources.%s.verify.keys[%d].secret", s.source, i), err)
	}
	key.Secret = secret.Reveal()
	if v.Keys.Kind == sharedKeys {
		return key, nil
	}
	if l.private == "" {
		return key, usage("source %s has only a public key: nothing can be signed with that", s.source).
			try("give the private half with --private env:NAME or --private file:PATH")
	}
	private, err := config.Ref(l.private).Resolve()
	if err != nil {
		return key, usage("--private: %v", err).because(err)
	}
	key.Private = private.Reveal()
	return key, nil
}

// chooseKey is the index of the key named, or of the first that is valid now.
func chooseKey(source string, keys []config.Key, id string, now time.Time) (int, error) {
	var ids []string
	for i, k := range keys {
		valid := !k.Revoked && (k.NotBefore.IsZero() || !now.Before(k.NotBefore)) && (k.NotAfter.IsZero() || !now.After(k.NotAfter))
		if k.ID == id || id == "" && valid {
			return i, nil
		}
		ids = append(ids, k.ID)
	}
	if id == "" {
		return 0, fail(ExitFailed, "no key of source %s is valid now", source).try("name one of " + strings.Join(ids, ", ") + " with --key to see it refused")
	}
	return 0, fail(ExitNotFound, "source %s has no key %q", source, id).try("there are " + strings.Join(ids, ", "))
}

// check refuses what the scheme has no place for.
func (s *signer) check(l *letter) error {
	if s.tamper == tamperTimestamp && !s.scheme.Coverage().Timestamp {
		return usage("source %s signs with %s, which has no timestamp to tamper with", s.source, s.scheme.Name()).
			try("--tamper body, signature or key work with every scheme")
	}
	inHeader := slices.ContainsFunc(s.scheme.Event().ID, func(t provider.Term) bool { return t.Kind == provider.Header })
	if l.id != "" && !inHeader {
		return usage("source %s signs with %s, which reads the id from the body: put it there instead of --id", s.source, s.scheme.Name())
	}
	return nil
}

// address is where the source's webhooks go.
func (l *letter) address(cfg *config.Config, source string) (string, error) {
	base := l.url
	if base == "" {
		base = cfg.Ingress.PublicURL
	}
	if base == "" {
		host, err := dialled(cfg.Ingress.Listen)
		if err != nil {
			return "", err
		}
		base = "http://" + host
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usage("%q is not an http or https URL", base)
	}
	if l.url == "" || strings.Trim(u.Path, "/") == "" {
		u = u.JoinPath("in", source)
	}
	return u.String(), nil
}

func parseHeader(lines []string) ([]signature.Field, error) {
	var out []signature.Field
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, usage("-H %q is not NAME:VALUE", line)
		}
		out = append(out, signature.Field{Name: http.CanonicalHeaderKey(name), Value: value})
	}
	return out, nil
}

// body reads what -d means.
func (a *app) body(data, id string) ([]byte, error) {
	switch {
	case data == "":
		// With what the configuration of serve --dev maps.
		return json.Marshal(map[string]string{"type": "doorward.test", "id": id, "task_id": id, "status": "test"})
	case data == "-":
		return bounded(a.Stdin, "stdin")
	case strings.HasPrefix(data, "@"):
		f, err := os.Open(data[1:])
		if err != nil {
			return nil, usage("-d: %v", err).because(err)
		}
		defer func() { _ = f.Close() }()
		return bounded(f, data[1:])
	}
	return []byte(data), nil
}

func bounded(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxData+1))
	switch {
	case err != nil:
		return nil, fail(ExitFailed, "read the body from %s: %v", name, err).because(err)
	case len(data) > maxData:
		return nil, usage("the body in %s is larger than 8 MiB, which no source takes", name)
	}
	return data, nil
}

// newID is an id as senders make them.
func newID(now time.Time) string {
	return "msg_" + ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// sign is the request as it goes out, tampered with if it is to be.
func (s *signer) sign(body []byte, id string, now time.Time) (*signature.Request, error) {
	r := &signature.Request{Method: http.MethodPost, Header: slices.Clone(s.header), Body: body}
	if u, err := url.Parse(s.url); err == nil {
		r.Target = u.RequestURI()
	}
	if !slices.ContainsFunc(r.Header, func(f signature.Field) bool { return f.Name == "Content-Type" }) {
		r.Header = append(r.Header, signature.Field{Name: "Content-Type", Value: contentType(body)})
	}
	if err := s.signTampered(r, id, now); err != nil {
		return nil, fail(ExitUsage, "%v", err).because(err).try("what the scheme signs besides the body can be given with -H")
	}
	return r, nil
}

func contentType(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "application/octet-stream"
}
