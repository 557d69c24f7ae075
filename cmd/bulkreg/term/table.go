package term

import (
	"fmt"
	"io"
	"strings"
)

// TablePage is after how many rows a table is printed so far. The rows of a page line up; between two pages the columns
// may shift, which is the price of printing a million rows without holding them.
const TablePage = 500

// Table prints rows in columns, which line up whatever the scripts they are written in. No cell can break out of its place.
type Table struct {
	out  io.Writer
	tabs bool
	page [][]string
	err  error // the first one; nothing is printed after it
}

// NewTable makes a table for people.
func NewTable(out io.Writer) *Table { return &Table{out: out} }

// NewTSV makes a table for programs: one tab between two cells, nothing to fill up columns, and nothing in an empty cell.
func NewTSV(out io.Writer) *Table { return &Table{out: out, tabs: true} }

// Row adds a row and returns the first error of the table.
func (t *Table) Row(cells ...string) error {
	if t.err != nil {
		return t.err
	}
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = strings.TrimSpace(Clean(cell))
		if shown[i] == "" && !t.tabs {
			shown[i] = "-"
		}
	}
	if t.page = append(t.page, shown); len(t.page) == TablePage {
		t.flush()
	}
	return t.err
}

// Add is Row for whoever looks at End's error alone.
func (t *Table) Add(cells ...string) { _ = t.Row(cells...) } // End tells the first error

// End prints what is left.
func (t *Table) End() error {
	t.flush()
	return t.err
}

func (t *Table) flush() {
	var text strings.Builder
	widths := t.widths()
	for _, row := range t.page {
		for i, cell := range row {
			text.WriteString(cell)
			switch last := i == len(row)-1; {
			case last:
			case t.tabs:
				text.WriteByte('\t')
			default:
				text.WriteString(strings.Repeat(" ", widths[i]-Width(cell)+2))
			}
		}
		text.WriteByte('\n')
	}
	t.page = t.page[:0]
	if t.err != nil || text.Len() == 0 {
		return
	}
	if _, err := io.WriteString(t.out, text.String()); err != nil {
		t.err = fmt.Errorf("print result: %w", err)
	}
}

// widths are those of the columns. The last cell of a row is not filled up, and does not count.
func (t *Table) widths() []int {
	var widths []int
	for _, row := range t.page {
		for i := range len(row) - 1 {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(row[i]))
		}
	}
	return widths
}
