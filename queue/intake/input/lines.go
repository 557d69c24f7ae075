package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// textLine is one physical line without its end. Its text is valid until the next line is read.
type textLine struct {
	number  int
	text    []byte
	crlf    bool
	tooLong bool // text is then only a beginning of the line
}

// lineScanner reads lines of a bounded length. A longer one is passed over and marked.
type lineScanner struct {
	r      *bufio.Reader
	max    int
	line   textLine
	unread bool
}

func newLineScanner(r io.Reader, maxBytes int) *lineScanner {
	return &lineScanner{r: bufio.NewReaderSize(r, maxBytes+len("\r\n")), max: maxBytes}
}

// next gives a line, or io.EOF. What an I/O error cut short is no line: it might be a shorter domain.
func (s *lineScanner) next() (textLine, error) {
	if s.unread {
		s.unread = false
		return s.line, nil
	}
	text, err := s.r.ReadSlice('\n')
	line := textLine{number: s.line.number + 1}
	if errors.Is(err, bufio.ErrBufferFull) {
		line.tooLong = true
		text = bytes.Clone(text[:min(len(text), 4*maxShown)])
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.r.ReadSlice('\n')
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return textLine{}, fmt.Errorf("read input: %w", err)
	}
	if err != nil && len(text) == 0 {
		return textLine{}, io.EOF
	}
	line.text, _ = bytes.CutSuffix(text, []byte("\n"))
	line.text, line.crlf = bytes.CutSuffix(line.text, []byte("\r"))
	line.tooLong = line.tooLong || len(line.text) > s.max
	s.line = line
	return line, nil
}

// nextContent passes over empty lines and comments.
func (s *lineScanner) nextContent() (textLine, error) {
	for {
		line, err := s.next()
		if err != nil {
			return line, err
		}
		text := bytes.TrimSpace(line.text)
		if blank := len(text) == 0 && !line.tooLong; !blank && !isComment(text) {
			return line, nil
		}
	}
}

// isComment reports whether a line is a comment. The error that a spreadsheet shows instead of a domain begins as one does, and
// is none: that line would be lost.
func isComment(text []byte) bool {
	return bytes.HasPrefix(text, []byte("#")) && !holder.LineFailed(string(text[:min(len(text), maxShown)]))
}

// back makes next give the last line once more.
func (s *lineScanner) back() { s.unread = true }

// row is what a source finds on one line: a cell for each column of the kind, by position.
type row struct {
	line  int
	text  []byte // as it stands in the file, without its end; valid until the next row
	cells []cell // valid until the next row

	broken []*fault // what is wrong with single cells; such a row is no record
}

// cell is one value as text; a JSON list of strings stays a list. The zero cell is no value.
type cell struct {
	text string
	list []string
}

// source gives rows until io.EOF. A *fault is about the row that comes with it, and the next row can be read; any other
// error is final.
type source interface {
	next() (row, error)
	lines() int // read so far
}

// fault says what is wrong with a row.
type fault struct {
	field, raw, reason string
	cause              error
	more               []*fault // what is wrong with other fields
}

func (f *fault) Error() string { return f.reason }

// faults collects what is wrong with the fields of a row, once for each field.
type faults []*fault

func (f *faults) add(bad *fault) {
	if bad == nil {
		return
	}
	for _, one := range append([]*fault{bad}, bad.more...) {
		if !slices.ContainsFunc(*f, func(known *fault) bool { return known.field == one.field }) {
			*f = append(*f, &fault{field: one.field, raw: one.raw, reason: one.reason, cause: one.cause})
		}
	}
}

// one is all of them as one, nil for none.
func (f faults) one() *fault {
	if len(f) == 0 {
		return nil
	}
	f[0].more = f[1:]
	return f[0]
}

func rowFault(format string, args ...any) *fault {
	return &fault{reason: fmt.Sprintf(format, args...)}
}

func tooLong(maxBytes int) *fault {
	return rowFault("the line is longer than %d bytes, and left out here", maxBytes)
}

// linesSource reads one domain a line.
type linesSource struct {
	scanner *lineScanner
	cells   []cell
}

func (s *linesSource) next() (row, error) {
	line, err := s.scanner.nextContent()
	if err != nil {
		return row{}, err
	}
	if line.tooLong {
		return row{line: line.number}, tooLong(s.scanner.max)
	}
	s.cells[columnSubject].text = string(bytes.TrimSpace(line.text))
	return row{line: line.number, text: line.text, cells: s.cells}, nil
}

func (s *linesSource) lines() int { return s.scanner.line.number }

// argumentsSource reads one domain an argument. An empty one is a mistake of the shell's, and said.
type argumentsSource struct {
	arguments []string
	read      int
	cells     []cell
	max       int
}

func (s *argumentsSource) next() (row, error) {
	if s.read == len(s.arguments) {
		return row{}, io.EOF
	}
	argument := s.arguments[s.read]
	s.read++
	if len(argument) > s.max {
		return row{line: s.read}, tooLong(s.max)
	}
	s.cells[columnSubject].text = strings.TrimSpace(argument)
	return row{line: s.read, text: []byte(argument), cells: s.cells}, nil
}

func (s *argumentsSource) lines() int { return s.read }
