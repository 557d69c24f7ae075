package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ndjsonSource reads one JSON object a line. Empty lines and lines that begin with # are passed over.
type ndjsonSource struct {
	scanner *lineScanner
	columns columns
	example string
	skipped *ignored
	found   []cell // of the row at hand
	given   []bool
	broken  []*fault
}

func newNDJSONSource(scanner *lineScanner, l layout, skipped *ignored) *ndjsonSource {
	return &ndjsonSource{
		scanner: scanner, columns: l.columns, example: l.example, skipped: skipped,
		found: make([]cell, len(l.columns)), given: make([]bool, len(l.columns)),
	}
}

func (s *ndjsonSource) lines() int { return s.scanner.line.number }

func (s *ndjsonSource) next() (row, error) {
	line, err := s.scanner.nextContent()
	if err != nil {
		return row{}, err
	}
	found := row{line: line.number, text: line.text}
	if line.tooLong {
		return row{line: line.number}, tooLong(s.scanner.max)
	}
	if !utf8.Valid(line.text) {
		return found, rowFault("the line is not UTF-8")
	}
	cells, bad := s.cells(line.text)
	found.broken = s.broken
	if err := s.skipped.refusal(line.number, "field"); err != nil {
		return found, err
	}
	if bad != nil {
		found.broken = nil // whatever a line that is no JSON object has is no cell
		return found, bad
	}
	found.cells = cells
	return found, nil
}

// cells walks the object key by key: decoding into a map or a struct would keep the last of two equal fields and not
// say so.
func (s *ndjsonSource) cells(text []byte) ([]cell, *fault) {
	s.broken = nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	if opening, err := decoder.Token(); err != nil {
		return nil, jsonFault(text)
	} else if opening != json.Delim('{') {
		return nil, rowFault("the line is no JSON object: write %s", s.example)
	}
	clear(s.found)
	clear(s.given)
	if bad := s.fields(decoder, text, s.columns.index); bad != nil {
		return nil, bad
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, rowFault("the line goes on after its JSON object: write one object a line")
	}
	return s.found, nil
}

// fields reads the fields of an object, whose opening brace was read, to its closing one.
func (s *ndjsonSource) fields(decoder *json.Decoder, text []byte, index func(string) int) *fault {
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return jsonFault(text)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return jsonFault(text)
		}
		name, _ := key.(string) // a key is always a string
		at := index(name)
		switch {
		case at < 0:
			s.skipped.add(name)
			continue
		case s.columns[at].role == roleHolder && value[0] == '{' && normaliseHeader(name) != "id":
			if bad := s.holder(value); bad != nil {
				return bad
			}
			continue
		case s.given[at]:
			s.broken = append(s.broken, &fault{field: s.columns[at].name, reason: "is given twice: keep one"})
			continue
		}
		s.given[at] = true
		if s.found[at], err = cellOf(value, s.columns[at].role); err != nil {
			s.broken = append(s.broken, &fault{field: s.columns[at].name, reason: err.Error()})
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return jsonFault(text)
	}
	return nil
}

// holder reads an object that is the holder: its details stand there as they may stand in the line itself.
func (s *ndjsonSource) holder(object json.RawMessage) *fault {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil { // the opening brace
		return jsonFault(object)
	}
	return s.fields(decoder, object, s.columns.indexInHolder)
}

// cellOf takes a string, a whole number, a list of strings, or null for no value; for a consent also true or false.
func cellOf(value json.RawMessage, r role) (cell, error) {
	switch first := value[0]; {
	case r == roleConsent && (first == 't' || first == 'f'):
		return cell{text: string(value)}, nil
	case first == 'n':
		return cell{}, nil
	case first == '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return cell{}, fmt.Errorf("cannot be read: %w", err)
		}
		return cell{text: strings.TrimSpace(text)}, nil
	case first == '[':
		var list []string
		if err := json.Unmarshal(value, &list); err != nil {
			return cell{}, errors.New("is a list of other things than strings")
		}
		return cell{list: list}, nil
	case first == '-', '0' <= first && first <= '9':
		if strings.ContainsAny(string(value), ".eE") {
			return cell{}, errors.New("must be a whole number or a string")
		}
		return cell{text: string(value)}, nil
	}
	return cell{}, errors.New("must be a string, a whole number or a list of strings")
}

// jsonFault finds the place of a syntax error. The decoder reads piecemeal and gives no use of one.
func jsonFault(text []byte) *fault {
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return rowFault("the line is no JSON object")
	}
	column := utf8.RuneCount(text[:min(int(syntax.Offset), len(text))])
	return rowFault("the line is no JSON: at column %d: %v", column, syntax)
}
