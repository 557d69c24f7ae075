package input

import (
	"slices"
	"strings"
	"unicode"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// column is a CSV column or JSON field that a kind of order knows.
type column struct {
	name    string
	aliases []string
}

// columns is what a kind of order knows, in the order of its cells. Finding them is apart from reading their values,
// so that a kind with other columns needs only its own list and its own way from cells to a record.
type columns []column

// Positions of the cells of a domain order.
const (
	columnDomain = iota
	columnHolderID
	columnPeriod
	columnNameservers
	columnAllowStatus
	columnDetails // the first of the holder's details, in the order of holder.Fields
)

// errorColumn is what RejectsWriter adds. It is known and means nothing, so that its file can be read again.
const errorColumn = "error"

func columnsOf(kind string) columns {
	domain := column{name: "domain", aliases: []string{"domain_name", "domainname"}}
	if kind == kindWhois {
		return columns{domain}
	}
	all := columns{
		columnDomain:      domain,
		columnHolderID:    {name: "holder_id", aliases: []string{"holder", "holderid", "domainholder_id", "domainholder"}},
		columnPeriod:      {name: "period", aliases: []string{"period_months"}},
		columnNameservers: {name: "nameservers", aliases: []string{"name_servers"}},
		columnAllowStatus: {name: "allow_status", aliases: []string{"allowed_status"}},
	}
	for _, field := range holder.Fields() {
		all = append(all, column{name: field, aliases: detailAliases(field)})
	}
	return all
}

// index gives the position of a column by what a header or a JSON field calls it, or -1.
func (c columns) index(header string) int {
	if at := slices.IndexFunc(c, func(col column) bool { return col.name == header }); at >= 0 {
		return at
	}
	name := normaliseHeader(header)
	at := c.find(name)
	if rest, found := strings.CutPrefix(name, "holder_"); at < 0 && found {
		if of := c.find(rest); of >= columnDetails {
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
