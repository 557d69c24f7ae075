package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// decodeOnce decodes JSON whose objects have each member once, in whatever case: of two, encoding/json would take the last one without
// a word, and what was to be looked at would be carried out.
func decodeOnce(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return err //nolint:wrapcheck // whoever shows it says what it is about
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		switch err := membersOnce(decoder); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// membersOnce reads a value, which was read well before.
func membersOnce(decoder *json.Decoder) error {
	token, err := decoder.Token()
	if err != nil {
		return err //nolint:wrapcheck // io.EOF has to be itself
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for decoder.More() {
		if delim == '{' {
			name, err := decoder.Token()
			if err != nil {
				return err //nolint:wrapcheck // there is none
			}
			key := folded(fmt.Sprint(name))
			if seen[key] {
				return fmt.Errorf("%s is given twice: keep one", shown(fmt.Sprint(name)))
			}
			seen[key] = true
		}
		if err := membersOnce(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err //nolint:wrapcheck // there is none
}

// folded is the same for all names that encoding/json takes for one.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
