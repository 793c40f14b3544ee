// Package provider describes how webhook senders sign, as data.
//
// One YAML file in specs/ is one provider; nothing about a provider stands in
// Go. The package promises that a spec is read strictly (an unknown word is an
// error, never ignored), that a source's parameters can only fill the places the
// spec left open, and that exactly one variant comes out: a request never
// chooses how it is checked. It holds no cryptography and no secret, so the
// outer door may use it; what a spec means is compiled by verifier/signature.
package provider

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

//go:embed specs/*.yaml
var specs embed.FS

// Spec is one provider as its file states it.
type Spec struct {
	// ID names the provider in configuration and events.
	ID string `yaml:"id"`
	// Title is the provider's own name.
	Title string `yaml:"title"`
	// Docs is the page of the provider that the spec follows.
	Docs string `yaml:"docs"`
	// CheckedAt is the day, YYYY-MM-DD, on which the spec was last compared with its evidence.
	CheckedAt string `yaml:"checked_at"`
	// Evidence says what the spec rests on: vector, vendor-code, vendor-docs, peers.
	Evidence []string `yaml:"evidence"`
	// RetryHorizon is how long the sender repeats one delivery.
	RetryHorizon time.Duration `yaml:"retry_horizon"`
	// Published are example secrets from documentation, which protect nothing.
	Published []string `yaml:"published"`
	// With are the parameters that a source may set.
	With map[string]Parameter `yaml:"with"`

	variants []yaml.Node
}

// Parameter is a place in a spec that a source fills through verify.with.
type Parameter struct {
	// Doc is one line for whoever writes the configuration.
	Doc string `yaml:"doc"`
	// Default is used when the source says nothing.
	Default string `yaml:"default"`
	// Required refuses a source that says nothing.
	Required bool `yaml:"required"`
	// OneOf closes the set of values; empty leaves it open.
	OneOf []string `yaml:"one_of"`
	// Form is "header" for a header's name, "path" for a dotted path, "" for any visible text.
	Form string `yaml:"form"`
}

// document is a file's shape: the variants stay nodes until their parameters are known.
type document struct {
	Spec     `yaml:",inline"`
	Variants []yaml.Node `yaml:"variants"`
}

// Names lists the built-in providers, sorted.
func Names() []string {
	files, _ := fs.Glob(specs, "specs/*.yaml") // the pattern is constant and well formed
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(f, "specs/"), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Load reads a built-in spec. The error names the providers there are.
func Load(name string) (*Spec, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("find provider %q: there are %s", name, strings.Join(Names(), ", "))
	}
	data, err := specs.ReadFile("specs/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("read provider %s: %w", name, err)
	}
	spec, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("load provider %s: %w", name, err)
	}
	return spec, nil
}

// Parse reads a spec from YAML. What depends on parameters is checked by Resolve.
func Parse(data []byte) (*Spec, error) {
	var doc document
	if err := yaml.Load(data, &doc, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("decode spec: %w", err)
	}
	doc.variants = doc.Variants
	return &doc.Spec, doc.check()
}

// check reports what is wrong before any parameter is known.
func (d *document) check() error {
	var errs []error
	if !token(d.ID) {
		errs = append(errs, fmt.Errorf("id %q is not a token", d.ID))
	}
	if !strings.HasPrefix(d.Docs, "https://") {
		errs = append(errs, errors.New("docs is not an https URL"))
	}
	if _, err := time.Parse(time.DateOnly, d.CheckedAt); err != nil {
		errs = append(errs, errors.New("checked_at is not a date"))
	}
	if len(d.Variants) == 0 {
		errs = append(errs, errors.New("no variants"))
	}
	return errors.Join(append(errs, d.checkPlaces())...)
}
