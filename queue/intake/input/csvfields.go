package input

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
)

// quoteState follows the quotes of a record from line to line, as encoding/csv reads them.
type quoteState struct {
	comma  byte
	inside bool // a quoted field
}

// opens reports whether the record goes on after this line. A misplaced quote ends it: the row is then refused.
func (q *quoteState) opens(line []byte) bool {
	for {
		if !q.inside {
			if !bytes.HasPrefix(line, []byte(`"`)) {
				comma := bytes.IndexByte(line, q.comma)
				if comma < 0 || bytes.IndexByte(line[:comma], '"') >= 0 {
					return false
				}
				line = line[comma+1:]
				continue
			}
			q.inside, line = true, line[1:]
		}
		quote := bytes.IndexByte(line, '"')
		if quote < 0 {
			return true
		}
		line = line[quote+1:]
		if len(line) > 0 && line[0] == '"' { // a doubled one
			line = line[1:]
			continue
		}
		q.inside = false
		if len(line) == 0 || line[0] != q.comma {
			return false
		}
		line = line[1:]
	}
}

// splitter splits records into fields. Most records have no quotes and need no CSV reader.
type splitter struct {
	comma  byte
	record strings.Reader // what the CSV reader reads: one record at a time, to its end
	csv    *csv.Reader
	fields []string
}

func newSplitter(comma byte) *splitter { return &splitter{comma: comma} }

// split gives the fields of one record. They are valid until the next one.
func (s *splitter) split(record string) ([]string, error) {
	if strings.IndexByte(record, '"') < 0 {
		s.fields = s.fields[:0]
		for field := range strings.SplitSeq(record, string(s.comma)) {
			s.fields = append(s.fields, field)
		}
		return s.fields, nil
	}
	if s.csv == nil {
		s.csv = csv.NewReader(&s.record)
		s.csv.Comma = rune(s.comma)
		s.csv.FieldsPerRecord = -1
		s.csv.ReuseRecord = true
	}
	s.record.Reset(record)
	fields, err := s.csv.Read()
	if err != nil {
		s.csv = nil // it may hold a rest of the bad record
	}
	return fields, err
}

// csvReason words an error of encoding/csv without its line numbers, which count from the record.
func csvReason(err error) string {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Sprintf("%v at byte %d: double a quote that is part of a value, and put quotes around that value", parse.Err, parse.Column)
	}
	return err.Error()
}

func isBlank(fields []string) bool {
	for _, field := range fields {
		if strings.TrimSpace(field) != "" {
			return false
		}
	}
	return true
}

// commas are what may separate values.
const commas = ",;\t"

// namedComma is what a line sep=; at the head of a file says, which tells spreadsheets what separates its values. Such a line may
// be in quotes, and may have been filled up to the width of the table.
func namedComma(line []byte) (comma byte, named bool) {
	text := strings.TrimLeft(strings.Trim(string(line), " "), `"`)
	if len(text) < len("sep=;") || !strings.EqualFold(text[:len("sep=")], "sep=") {
		return 0, false
	}
	comma, rest := text[len("sep=")], text[len("sep=;"):]
	return comma, strings.Trim(rest, string(comma)+"\"\t ,;") == ""
}

func sniffComma(header string, cols columns) byte {
	best, most := byte(','), 1
	for _, comma := range []byte(commas) {
		fields, err := newSplitter(comma).split(header)
		if err != nil {
			continue
		}
		for _, field := range fields {
			if len(fields) > 1 && cols.index(field) == columnSubject {
				return comma
			}
		}
		if len(fields) > most {
			best, most = comma, len(fields)
		}
	}
	return best
}
