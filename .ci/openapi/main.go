// Command openapi judges an OpenAPI document, which it reads from standard input, by the specification's own schema. It is a module of its
// own, so that nothing of what it needs is the program's.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

func main() {
	if err := judge(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
	fmt.Println("the OpenAPI document is valid")
}

func judge(from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return fmt.Errorf("read document: %w", errors.Join(errs...))
	}
	valid, problems := v.ValidateDocument()
	for _, p := range problems {
		err = errors.Join(err, fmt.Errorf("%s: %s", p.Message, p.Reason))
		for _, failure := range p.SchemaValidationErrors {
			err = errors.Join(err, errors.New(failure.Reason))
		}
	}
	if !valid && err == nil {
		err = errors.New("it is not valid")
	}
	return err
}
