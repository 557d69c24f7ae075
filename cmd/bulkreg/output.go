package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/export"
)

// choice is a flag that takes one of some words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return "string" }

// Set refuses every word but those it was made with.
func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("want one of %s", strings.Join(c.words, ", "))
	}
	c.value = word
	return nil
}

// addChoice gives a command a flag that takes one of words; byDefault may be none of them.
func addChoice(cmd *cobra.Command, c *choice, name, shorthand, usage, byDefault string, words ...string) {
	c.value, c.words = byDefault, words
	cmd.Flags().VarP(c, name, shorthand, usage)
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// output is how results are printed: a table for people, JSON for programs, and lists also as TSV for them.
type output struct {
	choice
	given given // of an order
}

// given says whether the command that prints an order has given it, and whether it was there before.
type given string

const (
	givenNew   given = "new"
	givenAgain given = "before; it is the same, and nothing was changed"
)

func (o *output) add(cmd *cobra.Command) {
	addChoice(cmd, &o.choice, "output", "o", "print the result in this `FORMAT`: table or json", "table", "table", "json")
}

// addList is add for a command that prints a list.
func (o *output) addList(cmd *cobra.Command) {
	addChoice(cmd, &o.choice, "output", "o", "print the result in this `FORMAT`: table, json, or tsv, which has a tab between two cells", "table", "table", "json", "tsv")
}

func (o *output) json() bool { return o.value == "json" }
func (o *output) tsv() bool  { return o.value == "tsv" }

// jsonArray prints a JSON array element by element, one a line, in the memory of one.
type jsonArray struct {
	w       *bufio.Writer
	element bytes.Buffer
	encoder *json.Encoder // into element
	begun   bool
}

func newJSONArray(w io.Writer) *jsonArray {
	a := &jsonArray{w: bufio.NewWriter(w)}
	a.encoder = json.NewEncoder(&a.element)
	a.encoder.SetEscapeHTML(false)
	return a
}

func (a *jsonArray) add(value any) error {
	a.element.Reset()
	a.element.WriteString(",\n")
	if !a.begun {
		a.element.Reset()
		a.element.WriteString("[\n")
		a.begun = true
	}
	if err := a.encoder.Encode(value); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if _, err := a.w.Write(term.EscapeJSON(bytes.TrimSuffix(a.element.Bytes(), []byte("\n")))); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// end closes the array. Where it is not called, after an error, what was printed is no JSON, on purpose.
func (a *jsonArray) end() error {
	closing := "\n]\n"
	if !a.begun {
		closing = "[]\n"
	}
	if _, err := a.w.WriteString(closing); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if err := a.w.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// tablePage is after how many rows a table is printed so far.
const tablePage = term.TablePage

// table prints rows in columns.
type table struct {
	rows *term.Table
	tsv  bool  // no spreadsheet must take a cell for a formula
	err  error // the first one; nothing is printed after it
}

func newTable(w io.Writer, header ...string) *table {
	return headed(&table{rows: term.NewTable(w)}, header)
}

// newTable makes a table in the form that was asked for.
func (o *output) newTable(w io.Writer, header ...string) *table {
	if o.tsv() {
		return headed(&table{rows: term.NewTSV(w), tsv: true}, header)
	}
	return newTable(w, header...)
}

func headed(t *table, header []string) *table {
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row prints one row. A cell without text is shown as a dash, and none can break out of its place.
func (t *table) row(cells ...string) {
	if t.tsv {
		cells = slices.Clone(cells)
		for i, cell := range cells {
			cells[i] = export.Harmless(strings.TrimSpace(term.Clean(cell)))
		}
	}
	t.err = t.rows.Row(cells...)
}

func (t *table) end() error { return t.rows.End() }

// cell is a text in one line that is safe to show.
func cell(text string) string {
	if text = strings.TrimSpace(term.Clean(text)); text == "" {
		return "-"
	}
	return text
}

// say tells people something, in lines of its own. What names and words from outside stand in it is shown without control
// characters. An error is passed over: stderr is gone then, and with it whoever could be told.
func say(stderr io.Writer, format string, args ...any) {
	fmt.Fprint(stderr, term.Sprintf(format, args...))
}

// short cuts a text for a column of a table that a person looks at. Programs get all of it.
func (a *app) short(text string) string {
	const most = 60
	if !isTerminal(a.stdout) {
		return text
	}
	return fit(text, most)
}

// timeCell is a time for people, in UTC; "" for none.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// shellWord writes a text so that it can be pasted into a command line.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._/:@%+=-", r))
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
