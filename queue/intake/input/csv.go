package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// csvSource reads CSV with a header. A # begins a comment only where the first column is the subject: in any other
// column it may be a value, and a line must not get lost.
type csvSource struct {
	scanner     *lineScanner
	columns     columns
	comma       byte
	sepLine     string // the line that names the delimiter, before the header; "" for none
	header      string // as it stands in the file
	fields      []int  // for each field of the file its cell, or -1
	errorField  int    // the field of an earlier rejects file, or -1
	unnamed     []int  // fields without a name that must have no value
	splitter    *splitter
	found       []cell // of the row at hand
	hasComments bool
	record      []byte // a record of several lines
	remedies    Remedies
}

// newCSVSource reads the header. Its delimiter is the one that makes out a column with the subject; else the most frequent one.
func newCSVSource(scanner *lineScanner, l layout, skipped *ignored) (*csvSource, error) {
	cols := l.columns
	s := &csvSource{scanner: scanner, columns: cols, comma: ',', errorField: -1, found: make([]cell, len(cols)), remedies: skipped.remedies}
	first, err := scanner.nextContent()
	if err != nil {
		return nil, err
	}
	if first.tooLong {
		return nil, &FileError{Line: first.number, Reason: fmt.Sprintf("has a header longer than %d bytes", scanner.max)}
	}
	if comma, named := namedComma(first.text); named {
		if strings.IndexByte(commas, comma) < 0 {
			return nil, &FileError{Line: first.number, Reason: fmt.Sprintf("names %q as what separates its values (sep=): save it with commas, semicolons or tabs", comma)}
		}
		s.comma, s.sepLine = comma, string(first.text)
	} else {
		scanner.back()
		s.comma = sniffComma(string(first.text), cols)
	}
	text, line, err := s.readRecord()
	if errors.Is(err, io.EOF) {
		return nil, &FileError{Reason: "has a line sep= and no header after it: begin with a header that has the column " + cols[columnSubject].name}
	}
	if err != nil {
		return nil, err
	}
	s.header = string(text)
	s.splitter = newSplitter(s.comma)
	header, err := s.splitter.split(s.header)
	if err != nil {
		return nil, &FileError{Line: line, Reason: "has a header that is no CSV: " + csvReason(err)}
	}
	return s, s.useHeader(header, line, l, skipped)
}

func (s *csvSource) useHeader(header []string, line int, l layout, skipped *ignored) error {
	cols := l.columns
	s.fields = make([]int, len(header))
	names := make([]string, len(cols)) // what the file calls each known column
	for i, name := range header {
		name = rearm(name)
		at := cols.index(name)
		s.fields[i] = at
		switch {
		case at >= 0 && names[at] != "":
			return &FileError{Line: line, Reason: fmt.Sprintf("has the column %s twice (%s and %s): keep one", cols[at].name, names[at], strings.TrimSpace(name))}
		case at >= 0:
			names[at] = strings.TrimSpace(name)
		case isErrorColumn(name) && s.errorField < 0:
			s.errorField = i
		case strings.TrimSpace(name) == "":
			skipped.addUnnamed(i + 1)
			if !skipped.allows("") {
				s.unnamed = append(s.unnamed, i)
			}
		default:
			skipped.add(name)
		}
	}
	if names[columnSubject] == "" {
		return &FileError{Line: line, Reason: noSubjectColumn(header, l)}
	}
	s.hasComments = s.fields[0] == columnSubject
	return skipped.refusal(line, "column")
}

func noSubjectColumn(header []string, l layout) string {
	const most = 20
	shown := make([]string, 0, most)
	for _, name := range header[:min(len(header), most)] {
		shown = append(shown, fmt.Sprintf("%q", shownName(strings.TrimSpace(name))))
	}
	if len(header) > most {
		shown = append(shown, "…")
	}
	advice := "Begin with a header"
	if l.bare {
		advice = "Write one domain a line, or begin with a header"
	}
	has := "its first line has " + strings.Join(shown, ", ")
	if slices.ContainsFunc(header, isValue) {
		has = fmt.Sprintf("its first line is no header: it has %d values, as a job has", len(header))
	}
	return fmt.Sprintf("has no column %s: %s. %s; the columns that count are %s", l.columns[columnSubject].name, has, advice, l.columns)
}

// isValue reports whether what stands in the place of a column's name is a value: a domain, an address or a number. Whoever forgot the
// header has a person's name beside it, which is nobody else's to read.
func isValue(name string) bool { return strings.ContainsAny(name, "@.0123456789") }

func (s *csvSource) lines() int { return s.scanner.line.number }

func (s *csvSource) next() (row, error) {
	for {
		text, line, err := s.readRecord()
		found := row{line: line, text: text}
		if err != nil {
			return found, err
		}
		if !utf8.Valid(text) {
			return found, rowFault("the row is not UTF-8: save the file as CSV UTF-8")
		}
		fields, err := s.splitter.split(string(text))
		if err != nil {
			return found, rowFault("the row is no CSV: %s", csvReason(err))
		}
		if isBlank(fields) {
			continue
		}
		if s.lacksNeeded(fields) {
			return found, rowFault("the row ends after field %d of %d", len(fields), len(s.fields))
		}
		for len(fields) < len(s.fields) { // spreadsheets drop what is empty at the end of rows
			fields = append(fields, "")
		}
		if len(fields) > len(s.fields) && isBlank(fields[len(s.fields):]) {
			fields = fields[:len(s.fields)]
		}
		if len(fields) > len(s.fields) {
			return found, rowFault("the row has %d fields where the header has %d: put quotes around a value with %q in it", len(fields), len(s.fields), s.comma)
		}
		for _, i := range s.unnamed {
			if strings.TrimSpace(fields[i]) != "" {
				return found, &FileError{Line: line, Reason: fmt.Sprintf("has a value in column %d, which has no name: name the column%s", i+1, s.remedies.ignoring(AllColumns, "it"))}
			}
		}
		found.cells = s.cells(fields, len(text))
		return found, nil
	}
}

// lacksNeeded reports whether a row ends before something that it needs: its subject, or a holder of its own where the file has
// a column for holders. A row that was cut off there would be paid for with the holder that others get. Nor is a value in a column
// without a name what a row may end after: it may have been shifted.
func (s *csvSource) lacksNeeded(fields []string) bool {
	if len(fields) >= len(s.fields) {
		return false
	}
	if slices.ContainsFunc(s.unnamed, func(i int) bool { return i < len(fields) && strings.TrimSpace(fields[i]) != "" }) {
		return true
	}
	holderLacks, holderNamed := false, false
	for i, at := range s.fields {
		there := i < len(fields)
		switch ofHolder := at >= 0 && (s.columns[at].role == roleHolder || s.columns[at].role == roleDetail); {
		case at == columnSubject && !there:
			return true
		case ofHolder && !there:
			holderLacks = true
		case ofHolder && strings.TrimSpace(fields[i]) != "":
			holderNamed = true
		}
	}
	return holderLacks && !holderNamed
}

// longRow is the size, in bytes, from which a value is worth a copy: else it would keep its whole row in memory.
const longRow = 1024

func (s *csvSource) cells(fields []string, size int) []cell {
	clear(s.found)
	for i, at := range s.fields {
		if at < 0 {
			continue
		}
		value := strings.TrimSpace(rearm(fields[i]))
		if size > longRow {
			value = strings.Clone(value)
		}
		s.found[at].text = value
	}
	return s.found
}

// readRecord gives one record, which goes on over line ends inside quotes, and the line where it begins. A quote that is
// never closed makes the rest of the file unusable: nobody can say any more where a row begins.
func (s *csvSource) readRecord() ([]byte, int, error) {
	line, err := s.scanner.next()
	for err == nil && s.hasComments && isComment(bytes.TrimSpace(line.text)) {
		line, err = s.scanner.next()
	}
	if err != nil {
		return nil, line.number, err
	}
	start := line.number
	if line.tooLong {
		return nil, start, tooLong(s.scanner.max)
	}
	quotes := quoteState{comma: s.comma}
	if !quotes.opens(line.text) {
		return line.text, start, nil
	}
	s.record = append(s.record[:0], line.text...)
	for open := true; open; {
		if line.crlf {
			s.record = append(s.record, '\r')
		}
		s.record = append(s.record, '\n')
		line, err = s.scanner.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, start, err
		}
		if err != nil || line.tooLong || len(s.record)+len(line.text) > s.scanner.max {
			return nil, start, &FileError{Line: start, Reason: fmt.Sprintf("opens a quote (\") here that is not closed within %d bytes: close it, or double it if it is part of the value", s.scanner.max)}
		}
		s.record = append(s.record, line.text...)
		open = quotes.opens(line.text)
	}
	return s.record, start, nil
}
