package input

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/queue/intake/spelling"
)

// ignored collects the names of unknown columns, the first ones of them. Registrations are paid for, so that one whose
// column nobody understands is not guessed at: such an order is refused, unless it was said that the column does not
// count.
type ignored struct {
	names []string

	columns columns
	strict  bool
	allowed []string // normalised
	refused []string

	remedies Remedies
}

const maxIgnored = 32

// AllColumns among Options.IgnoreColumns stands for every column that means nothing.
const AllColumns = "all"

func newIgnored(l layout, opts Options) *ignored {
	g := &ignored{columns: l.columns, strict: l.strict, remedies: opts.Remedies}
	for _, name := range opts.IgnoreColumns {
		g.allowed = append(g.allowed, normaliseHeader(name))
	}
	return g
}

// checkIgnored refuses to leave out what counts: whoever asks for that thinks that the column is another one.
func checkIgnored(cols columns, opts Options) error {
	for _, name := range opts.IgnoreColumns {
		if at := cols.index(name); at >= 0 {
			return &OptionError{OptionIgnoreColumns, fmt.Sprintf("%s: this column counts, as %s: rename it in the file if it is something else", shownName(name), cols[at].name)}
		}
	}
	return nil
}

// allows says whether a column that means nothing may be passed over.
func (g *ignored) allows(name string) bool {
	return !g.strict || slices.Contains(g.allowed, AllColumns) || slices.Contains(g.allowed, normaliseHeader(name))
}

func (g *ignored) add(name string) {
	if isErrorColumn(name) {
		return
	}
	list := &g.names
	if !g.allows(name) {
		list = &g.refused
	}
	note(list, shownName(strings.TrimSpace(name)))
}

// addUnnamed is add for a column of a table, counted from 1, that has no name. It is refused only where it has a value:
// spreadsheets leave such columns behind.
func (g *ignored) addUnnamed(column int) { note(&g.names, fmt.Sprintf("column %d", column)) }

func note(list *[]string, name string) {
	if len(*list) < maxIgnored && !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// refusal is a *FileError about the columns that the order cannot have, what being what the file calls them; nil
// when there are none.
func (g *ignored) refusal(line int, what string) error {
	if len(g.refused) == 0 {
		return nil
	}
	named, names := make([]string, len(g.refused)), strings.Join(g.refused, ",")
	for i, name := range g.refused {
		named[i] = fmt.Sprintf("%q", name)
		if meant := g.meant(name); meant != "" {
			named[i] += fmt.Sprintf(" (did you mean %s?)", meant)
		}
		if !plainName.MatchString(name) {
			names = AllColumns
		}
	}
	if len(named) == 1 {
		return &FileError{Line: line, Reason: fmt.Sprintf("has the %s %s, which means nothing here: rename it%s", what, named[0], g.remedies.ignoring(names, "it"))}
	}
	last := len(named) - 1
	return &FileError{Line: line, Reason: fmt.Sprintf("has the %ss %s and %s, which mean nothing here: rename them%s",
		what, strings.Join(named[:last], ", "), named[last], g.remedies.ignoring(names, "them"))}
}

// meant is the column that an unknown one is a slip of, "" if it resembles none.
func (g *ignored) meant(name string) string {
	var known []string
	for _, c := range g.columns {
		known = append(append(known, c.name), c.aliases...)
	}
	name = normaliseHeader(name)
	for _, name := range []string{name, strings.TrimPrefix(name, "holder_")} {
		if at := g.columns.find(spelling.Closest(name, known)); at >= 0 {
			return g.columns[at].name
		}
	}
	return ""
}
