package input

import (
	"slices"
	"strings"
	"unicode"
)

// column is a CSV column or JSON field that a kind of order knows.
type column struct {
	name    string
	aliases []string // in their normal form, see normaliseHeader
	role    role
}

// role is what a column is to those who find columns and cut lines into cells. Most have none.
type role string

const (
	roleHolder  role = "holder"  // of a domain: the id, or in NDJSON an object that is the holder
	roleDetail  role = "detail"  // of a domain's holder
	roleConsent role = "consent" // true or false, in NDJSON without quotes
)

// columns is what a kind of order knows, in the order of its cells. Finding them is apart from reading their values,
// so that a kind with other columns needs only its own list and its own way from cells to a record.
type columns []column

// columnSubject is the position of what a job is about, in every kind.
const columnSubject = 0

// errorColumn is what RejectsWriter adds. It is known and means nothing, so that its file can be read again.
const errorColumn = "error"

// index gives the position of a column by what a header or a JSON field calls it, or -1.
func (c columns) index(header string) int {
	if at := slices.IndexFunc(c, func(col column) bool { return col.name == header }); at >= 0 {
		return at
	}
	name := normaliseHeader(header)
	at := c.find(name)
	if rest, found := strings.CutPrefix(name, "holder_"); at < 0 && found {
		if of := c.find(rest); of >= 0 && c[of].role == roleDetail {
			return of
		}
	}
	return at
}

func (c columns) find(name string) int {
	return slices.IndexFunc(c, func(col column) bool {
		return col.name == name || slices.Contains(col.aliases, name)
	})
}

// holds reports whether one of these cells is of a column with this role.
func (c columns) holds(r role, cells []int) bool {
	return slices.ContainsFunc(cells, func(at int) bool { return at >= 0 && c[at].role == r })
}

// String lists the columns for a message.
func (c columns) String() string {
	names := make([]string, len(c))
	for i, col := range c {
		names[i] = col.name
	}
	return strings.Join(names, ", ")
}

func normaliseHeader(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return '_'
		}
		return unicode.ToLower(r)
	}, strings.TrimSpace(s))
}

func isErrorColumn(header string) bool { return normaliseHeader(header) == errorColumn }
