package input

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// recordOf turns the cells of a domain order into a Record.
func recordOf(found row, opts Options) (Record, *fault) {
	record := Record{Line: found.line}
	var bad *fault
	if record.Domain, bad = domainOf(found.cells[columnDomain]); bad != nil || opts.Kind == kindWhois {
		return record, bad
	}
	if record.HolderID, record.Holder, bad = holderOf(found.cells, opts.DefaultHolderID); bad != nil {
		return record, bad
	}
	if record.PeriodMonths, bad = periodOf(found.cells[columnPeriod], opts.DefaultPeriodMonths); bad != nil {
		return record, bad
	}
	if record.Nameservers, bad = nameserversOf(found.cells[columnNameservers]); bad != nil {
		return record, bad
	}
	record.AllowStatus, bad = allowStatusOf(found.cells[columnAllowStatus], opts.DefaultAllowStatus)
	return record, bad
}

// allowStatusOf splits at commas and the like, and not at spaces: words such as pending delete have one.
func allowStatusOf(c cell, byDefault []string) ([]string, *fault) {
	given := c.list
	if given == nil {
		given = strings.FieldsFunc(c.text, func(r rune) bool { return strings.ContainsRune(",;|", r) })
	}
	if len(given) == 0 {
		return byDefault, nil
	}
	words, err := queue.AllowStatus(given)
	if err != nil {
		return nil, &fault{field: "allow_status", reason: err.Error() + ": give words such as premium, separated by commas"}
	}
	return words, nil
}

func domainOf(c cell) (domainname.Name, *fault) {
	if c.list != nil {
		return domainname.Name{}, &fault{field: "domain", reason: "is a list: write one domain a line"}
	}
	name, err := domainname.Parse(c.text)
	if err != nil {
		return domainname.Name{}, nameFault("domain", err)
	}
	return name, nil
}

func nameFault(field string, err error) *fault {
	var refusal *domainname.Error
	if errors.As(err, &refusal) {
		return &fault{field: field, raw: refusal.Raw, reason: refusal.Text, cause: err}
	}
	return &fault{field: field, reason: err.Error(), cause: err}
}

func holderIDOf(c cell, byDefault string) (string, *fault) {
	switch {
	case c.list != nil:
		return "", &fault{field: "holder_id", reason: "is a list: a domain has one holder"}
	case c.text == "" && byDefault == "":
		return "", &fault{field: "holder_id", reason: "is missing: give the holder's id here, the holder's details in columns of their own, or --holder ID for all lines without one"}
	case c.text == "":
		return byDefault, nil
	}
	if reason := holderIDFault(c.text); reason != "" {
		return "", &fault{field: "holder_id", reason: reason}
	}
	return c.text, nil
}

// holderIDFault says what keeps a text from being a holder's id. The upstream does not document the form of its ids, so
// only what no id can be is refused.
func holderIDFault(id string) string {
	const maxBytes = 128
	switch {
	case strings.Contains(id, "@"):
		return "is an e-mail address: give the holder's id, which `bulkreg holder get` finds by that address"
	case len(id) > maxBytes:
		return fmt.Sprintf("is longer than %d bytes: give the holder's id", maxBytes)
	case strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return "has a space or an invisible character in it: give the holder's id"
	}
	return ""
}

func periodOf(c cell, byDefault int) (int, *fault) {
	if c.list != nil {
		return 0, &fault{field: "period", reason: "is a list: give one number of months"}
	}
	if c.text == "" {
		return byDefault, nil
	}
	months, err := strconv.Atoi(c.text)
	if err != nil || months < 0 || months > maxPeriodMonths {
		return 0, &fault{field: "period", raw: shownNumber(c.text), reason: fmt.Sprintf("is no period: give 1 to %d months, or leave it out for %d", maxPeriodMonths, byDefault)}
	}
	if months == 0 {
		return byDefault, nil
	}
	return months, nil
}

// shownNumber shows what is short enough to be a mistyped number, not a name or a telephone number.
func shownNumber(s string) string {
	if len(s) > 4 {
		return ""
	}
	return bounded(s)
}

// Fewer than two name servers break a delegation (RFC 1034, section 4.1); more than thirteen do not fit one answer.
const (
	minNameservers = 2
	maxNameservers = 13
)

func nameserversOf(c cell) ([]string, *fault) {
	given := c.list
	if given == nil {
		given = strings.FieldsFunc(c.text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;|", r) })
	}
	if n := len(given); n != 0 && (n < minNameservers || n > maxNameservers) {
		return nil, &fault{field: "nameservers", reason: fmt.Sprintf("lists %d: give %d to %d name servers, or none", n, minNameservers, maxNameservers)}
	}
	var hosts []string
	for _, text := range given {
		host, err := domainname.ParseHost(text)
		if err != nil {
			return nil, nameFault("nameservers", err)
		}
		if slices.Contains(hosts, host.ASCII) {
			return nil, &fault{field: "nameservers", raw: host.ASCII, reason: "is there twice: keep one"}
		}
		hosts = append(hosts, host.ASCII)
	}
	return hosts, nil
}
