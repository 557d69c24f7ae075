package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// MaxPeriodMonths is the longest time that a domain is registered for.
const MaxPeriodMonths = 120

// Fewer than two name servers break a delegation (RFC 1034, section 4.1); more than thirteen do not fit one answer.
const (
	MinNameservers = 2
	MaxNameservers = 13
)

const maxHolderIDBytes = 128

func registerForm() form { return form{check: checkRegister, subject: domainOf} }

func checkRegister(r Rules, f Fields) (Job, error) {
	var broken broken
	name, err := r.Domain(f.Domain)
	broken.add(err)
	broken.add(HolderID(f.HolderID))
	if f.PeriodMonths != 0 {
		broken.add(Period(f.PeriodMonths))
	}
	hosts, err := Nameservers(f.Nameservers)
	broken.add(err)
	words, err := AllowStatus(f.AllowStatus)
	broken.add(err)
	if err := broken.err(); err != nil {
		return Job{Domain: name}, err
	}
	return Job{Domain: name, HolderID: f.HolderID, PeriodMonths: f.PeriodMonths, Nameservers: hosts, AllowStatus: words}, nil
}

// HolderID checks the id of a holder. The upstream does not document the form of its ids, so only what no id can be is
// refused.
func HolderID(id string) error {
	switch {
	case id == "":
		return &Error{Field: "holder_id", Text: "is missing: a registration needs the id of its holder"}
	case strings.Contains(id, "@"):
		return &Error{Field: "holder_id", Text: "is an e-mail address: give the holder's id"}
	case len(id) > maxHolderIDBytes:
		return &Error{Field: "holder_id", Text: fmt.Sprintf("is longer than %d bytes: give the holder's id", maxHolderIDBytes)}
	case strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return &Error{Field: "holder_id", Text: "has a space or an invisible character in it: give the holder's id"}
	}
	return lostHolderID(id)
}

// lostHolderID refuses what a spreadsheet or a database leaves where an id was lost, or never was.
func lostHolderID(id string) error {
	switch {
	case holder.CellFailed(id):
		return &Error{Field: "holder_id", Text: "is what a spreadsheet shows instead of a value that it lacks: give the holder's id"}
	case holder.CellRounded(id):
		return &Error{Field: "holder_id", Text: "is a number that a spreadsheet has rounded, so that the id is lost: format the column as text and copy the ids anew"}
	case holder.CellEmptied(id):
		return &Error{Field: "holder_id", Text: "is a word or a sign for no value: give the holder's id, or leave it empty"}
	case strings.HasPrefix(id, "'"):
		return &Error{Field: "holder_id", Text: "begins with the apostrophe that marks text in a spreadsheet: leave it out"}
	}
	return nil
}

// HolderDetails brings the details of a holder into their normal form.
func HolderDetails(d holder.Details) (holder.Details, error) {
	checked, err := holder.Check(d)
	var refusal *holder.Error
	if errors.As(err, &refusal) {
		first := &Error{Field: refusal.Field, Text: refusal.Text, cause: err}
		for _, other := range refusal.More {
			first.More = append(first.More, &Error{Field: other.Field, Text: other.Text, cause: other})
		}
		return holder.Details{}, first
	}
	return checked, err
}

// Period checks a number of months. Its error does not repeat the number: in a wrong column it may be somebody's.
func Period(months int) error {
	if months < 1 || months > MaxPeriodMonths {
		return &Error{Field: "period", Text: fmt.Sprintf("is no period: give 1 to %d months, or leave it out", MaxPeriodMonths)}
	}
	return nil
}

// Nameservers brings the host names of a domain's name servers into their normal form: lower case, ASCII, no dot at the end.
func Nameservers(given []string) ([]string, error) {
	if n := len(given); n != 0 && (n < MinNameservers || n > MaxNameservers) {
		return nil, &Error{Field: "nameservers", Text: fmt.Sprintf("lists %d: give %d to %d name servers, or none", n, MinNameservers, MaxNameservers)}
	}
	var hosts []string
	for _, text := range given {
		host, err := domainname.ParseHost(text)
		if err != nil {
			return nil, nameError("nameservers", err)
		}
		if slices.Contains(hosts, host.ASCII) {
			return nil, &Error{Field: "nameservers", Raw: host.ASCII, Text: "is there twice: keep one"}
		}
		hosts = append(hosts, host.ASCII)
	}
	return hosts, nil
}

// AllowStatus brings into their normal form the words of a WHOIS status with which a domain may be registered all the same.
func AllowStatus(given []string) ([]string, error) {
	words, err := queue.AllowStatus(given)
	if err != nil {
		return nil, &Error{Field: "allow_status", Text: err.Error() + ": give words such as premium", cause: err}
	}
	return words, nil
}
