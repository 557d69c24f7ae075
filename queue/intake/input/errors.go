package input

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Origin says what Reject.Line counts.
type Origin string

// Where records come from.
const (
	OriginLine     Origin = "line"
	OriginArgument Origin = "argument"
)

// Reject is one line that cannot be used. It holds a copy of its line for RejectsWriter: whoever collects rejects
// should keep a bounded number of them.
type Reject struct {
	Line   int // where it begins, from 1
	Origin Origin
	Field  string  // the column, or empty when it is about the whole line
	Raw    string  // the value of that column, bounded, fit for showing; empty when it may hold personal data
	Reason string  // what is wrong and what to do; it follows Field and Raw in a sentence
	More   []Fault // what is wrong with other columns of the line

	original string // the line without its end; empty when it was too long to keep
	cause    error
}

// Fault is what is wrong with one column, as in a Reject.
type Fault struct{ Field, Raw, Reason string }

func (f Fault) String() string {
	text := f.Reason
	if f.Raw != "" {
		text = strconv.Quote(f.Raw) + " " + text
	}
	if f.Field != "" {
		text = f.Field + " " + text
	}
	return text
}

// Faults are all that is wrong with the line, the first one included.
func (r Reject) Faults() []Fault {
	return append([]Fault{{Field: r.Field, Raw: r.Raw, Reason: r.Reason}}, r.More...)
}

// RejectError is how Reader.Next gives a Reject. Reading goes on after it. It wraps a *domainname.Error when the
// domain was at fault.
type RejectError struct{ Reject }

// Error gives place, and column, value and reason of each fault, in one line.
func (e *RejectError) Error() string {
	faults := e.Faults()
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.String()
	}
	return fmt.Sprintf("%s %d: %s", e.Origin, e.Line, strings.Join(texts, "; "))
}

// Unwrap gives the error of the column, if it has one of its own.
func (e *RejectError) Unwrap() error { return e.cause }

// FileError says that a file is unusable as a whole, or from a line on. What was read before it stands, but is not
// the whole order.
type FileError struct {
	Line   int // 0 when it is about no line in particular
	Reason string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return "the file " + e.Reason
	}
	return fmt.Sprintf("line %d: the file %s", e.Line, e.Reason)
}

const maxShown = 80 // bytes of a value or a column name in a message

// bounded cuts a text from a file for showing it.
func bounded(s string) string {
	if len(s) > 4*maxShown {
		s = s[:4*maxShown]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxShown {
		return s
	}
	end := maxShown - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// shownName bounds the name of a column. A file without a header has data there instead, perhaps a person's.
func shownName(s string) string {
	if strings.Contains(s, "@") {
		return "(an e-mail address)"
	}
	return bounded(s)
}

// thousands writes a number with a comma after every three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
