package verifier

import (
	"errors"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is a compiled JSON Schema from an operator's file.
type schema struct{ compiled *jsonschema.Schema }

// errNoLoader: a schema is one file; nothing it names is fetched or opened.
var errNoLoader = errors.New("a schema may refer to itself only")

type denyLoader struct{}

func (denyLoader) Load(string) (any, error) { return nil, errNoLoader }

// loadSchema compiles a file; "" gives none.
func loadSchema(path string) (*schema, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	defer func() { _ = file.Close() }()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		return nil, fmt.Errorf("read the schema %s: %w", path, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(denyLoader{})
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, fmt.Errorf("read the schema %s: %w", path, err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		return nil, fmt.Errorf("compile the schema %s: %w", path, err)
	}
	return &schema{compiled}, nil
}

// check says which keyword at which place is not satisfied, without quoting the body.
func (s *schema) check(body any) error {
	if s == nil {
		return nil
	}
	err := s.compiled.Validate(body)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		for len(invalid.Causes) > 0 {
			invalid = invalid.Causes[0]
		}
		return fmt.Errorf("%v at depth %d", invalid.ErrorKind.KeywordPath(), len(invalid.InstanceLocation))
	}
	return err
}
