package input

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// RejectsWriter writes rejected lines as their file had them, in UTF-8, so that they can be mended and read again. The
// error goes before the line as a # comment, or for CSV into a last column named error; a Reader passes over both. A
// line that was too long to keep is only named. In CSV, where a spreadsheet would take a cell for a formula, an apostrophe stands
// before it, which a Reader takes away again.
type RejectsWriter struct {
	w     io.Writer
	form  form
	begun bool
}

// NewRejectsWriter writes rejects of r to w: nothing until the first one, and one Write for each. Give it a
// bufio.Writer where there may be many.
func NewRejectsWriter(w io.Writer, r *Reader) *RejectsWriter {
	return &RejectsWriter{w: w, form: r.form}
}

// Write writes one reject, before the first one also the header.
func (w *RejectsWriter) Write(rejected *RejectError) error {
	var out bytes.Buffer
	if !w.begun {
		w.begin(&out)
	}
	if w.form.csv != nil {
		w.csvRow(&out, rejected)
	} else {
		w.commented(&out, rejected)
	}
	if _, err := w.w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	w.begun = true
	return nil
}

// begin repeats what stands before the first row. Spreadsheets need the byte order mark to take a file for UTF-8.
func (w *RejectsWriter) begin(out *bytes.Buffer) {
	if w.form.bom {
		out.WriteString("\uFEFF")
	}
	if table := w.form.csv; table != nil {
		if table.sepLine != "" {
			out.WriteString(table.sepLine + w.lineEnd())
		}
		out.WriteString(disarmRow(strings.TrimRight(table.header, " \r")))
		if table.errorField < 0 {
			out.WriteByte(table.comma)
			out.WriteString(errorColumn)
		}
		out.WriteString(w.lineEnd())
	}
}

func (w *RejectsWriter) commented(out *bytes.Buffer, rejected *RejectError) {
	out.WriteString("# " + rejected.Error() + w.lineEnd())
	line := strings.TrimSpace(rejected.original)
	if line == "" || isComment([]byte(line)) || strings.Contains(line, "\n") { // an argument can be such
		return
	}
	out.WriteString(rejected.original + w.lineEnd())
}

// csvRow writes the row with its error. What is no good CSV is left as it is, to be found by its look.
func (w *RejectsWriter) csvRow(out *bytes.Buffer, rejected *RejectError) {
	table := w.form.csv
	text := rejected.original
	if text == "" { // too long to keep: an empty row, which is rejected again until somebody fills or removes it
		text = strings.Repeat(string(table.comma), len(table.fields)-1)
	}
	if rejected.Field != "" { // else the row is not as wide as the table, or no CSV, and its width is its fault
		text = w.widened(text)
	}
	if table.errorField >= 0 {
		text = w.replaceError(text, rejected.Error())
	} else {
		// Added to the text and not encoded anew, so that the rest stays as it was. Beginning with a letter, the error
		// cannot close a quote that the row misplaced.
		text += string(table.comma) + `"` + strings.ReplaceAll(rejected.Error(), `"`, `""`) + `"`
	}
	out.WriteString(disarmRow(text) + w.lineEnd())
}

// widened gives a row the width of the table: empty fields that were dropped at its end are put back, so that the error comes
// to stand in its own column, and ones too many are left out.
func (w *RejectsWriter) widened(text string) string {
	table := w.form.csv
	fields, err := newSplitter(table.comma).split(text)
	switch n := len(fields) - len(table.fields); {
	case err != nil || n == 0:
		return text
	case n < 0:
		return text + strings.Repeat(string(table.comma), -n)
	default:
		return w.encoded(fields[:len(table.fields)], text)
	}
}

// replaceError puts a new error into a row of an earlier rejects file, unless the row is no good CSV.
func (w *RejectsWriter) replaceError(text, message string) string {
	table := w.form.csv
	fields, err := newSplitter(table.comma).split(text)
	if err != nil || len(fields) != len(table.fields) {
		return text
	}
	fields[table.errorField] = message
	return w.encoded(fields, text)
}

// encoded writes a row anew, and gives the text that it had where that cannot be done.
func (w *RejectsWriter) encoded(fields []string, text string) string {
	var out strings.Builder
	encoder := csv.NewWriter(&out)
	encoder.Comma = rune(w.form.csv.comma)
	if err := encoder.WriteAll([][]string{fields}); err != nil {
		return text
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func (w *RejectsWriter) lineEnd() string {
	if w.form.crlf {
		return "\r\n"
	}
	return "\n"
}
