package input

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/job"
)

// allowStatusOf splits at commas and the like, and not at spaces: words such as pending delete have one.
func allowStatusOf(c cell, byDefault []string) ([]string, *fault) {
	given := c.list
	if given == nil {
		given = strings.FieldsFunc(c.text, func(r rune) bool { return strings.ContainsRune(",;|", r) })
	}
	if len(given) == 0 {
		return byDefault, nil
	}
	words, err := job.AllowStatus(given)
	bad := faultOf(err)
	if bad != nil {
		bad.reason += ", separated by commas"
	}
	return words, bad
}

func domainOf(c cell, suffixes domainname.Suffixes) (domainname.Name, *fault) {
	if c.list != nil {
		return domainname.Name{}, &fault{field: "domain", reason: "is a list: write one domain a line"}
	}
	if holder.CellFailed(c.text) {
		return domainname.Name{}, &fault{field: "domain", raw: bounded(c.text), reason: "is what a spreadsheet shows instead of a value that it lacks: write the domain"}
	}
	name, err := job.Rules{Suffixes: suffixes}.Domain(c.text)
	return name, faultOf(err)
}

// faultOf says in a row's words which rule a field breaks, nil for none.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	var broken *job.Error
	if !errors.As(err, &broken) {
		return &fault{reason: err.Error(), cause: err}
	}
	bad := &fault{field: broken.Field, raw: broken.Raw, reason: broken.Text, cause: err}
	for _, other := range broken.More {
		bad.more = append(bad.more, faultOf(other))
	}
	return bad
}

func holderIDOf(c cell, byDefault string, remedies Remedies) (string, *fault) {
	switch {
	case c.list != nil:
		return "", &fault{field: "holder_id", reason: "is a list: a domain has one holder"}
	case c.text == "" && byDefault == "":
		return "", &fault{field: "holder_id", reason: "is missing: give the holder's id here, or the holder's details in columns of their own" +
			or(remedies.DefaultHolder, " for all lines without one")}
	case c.text == "":
		return byDefault, nil
	}
	return c.text, holderIDFault(c.text, remedies)
}

// holderIDFault says what keeps a text from being a holder's id, and for the usual mistake how to find the id.
func holderIDFault(id string, remedies Remedies) *fault {
	bad := faultOf(job.HolderID(id))
	if bad != nil && strings.Contains(id, "@") && remedies.FindHolder != "" {
		bad.reason += ", which " + remedies.FindHolder + " finds by that address"
	}
	return bad
}

func periodOf(c cell, opts Options) (int, *fault) {
	byDefault := opts.DefaultPeriodMonths
	if c.list != nil {
		return 0, &fault{field: "period", reason: "is a list: give one number of months"}
	}
	if c.text == "" {
		return byDefault, nil
	}
	months, err := strconv.Atoi(c.text)
	if err == nil && months == 0 {
		return byDefault, nil
	}
	if err != nil {
		months = -1
	}
	bad := faultOf(job.Period(months))
	switch {
	case bad != nil:
		bad.raw = shownNumber(c.text)
		bad.reason += fmt.Sprintf(" for %d", byDefault)
	case opts.WholeYears && months%12 != 0:
		bad = &fault{field: "period", raw: shownNumber(c.text), reason: "is no whole number of years: it counts months, such as 12 or 24"}
		if allowed := opts.Remedies.AllowPeriod; allowed != "" {
			bad.reason += "; " + allowed + " allows it"
		}
	}
	return months, bad
}

// shownNumber shows what is short enough to be a mistyped number, not a name or a telephone number.
func shownNumber(s string) string {
	if len(s) > 4 {
		return ""
	}
	return bounded(s)
}

func nameserversOf(c cell, byDefault []string) ([]string, *fault) {
	given := c.list
	if given == nil {
		given = strings.FieldsFunc(c.text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;|", r) })
	}
	if len(given) == 0 {
		return byDefault, nil
	}
	hosts, err := job.Nameservers(given)
	return hosts, faultOf(err)
}
