// Package job has the rules of one job's fields: what each may be, and its one normal form.
//
// A line of an order and a job of a producer's own task are held to these rules alike, so that the same words mean the same
// job whichever way they come in. The package must never guess, and none of its errors repeats what may be a person's
// details. It knows neither the database nor the worker.
package job

import (
	"errors"
	"strconv"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// Fields are those of one job, as somebody wrote them. All but Domain are for registrations.
type Fields struct {
	Domain       string
	HolderID     string
	PeriodMonths int // 0: not given
	Nameservers  []string
	AllowStatus  []string
}

// Job is a job whose fields are in order and in their normal form.
type Job struct {
	Domain       domainname.Name
	HolderID     string   // "" for a check
	PeriodMonths int      // 0: not given
	Nameservers  []string // none, or 2 to 13 distinct ASCII host names
	AllowStatus  []string // words of a WHOIS status that do not bar the domain
}

// Error is what is wrong with one field.
type Error struct {
	Field string
	Raw   string // the value, bounded; "" where it may be somebody's details or a secret
	Text  string // what is wrong and what to do; it follows Field and Raw in a sentence
	cause error
}

// Error gives field, value and text in one sentence.
func (e *Error) Error() string {
	if e.Raw == "" {
		return e.Field + " " + e.Text
	}
	return e.Field + " " + strconv.Quote(e.Raw) + " " + e.Text
}

// Unwrap gives the error of the field's own kind, if it has one.
func (e *Error) Unwrap() error { return e.cause }

// Check brings a job of a kind into its normal form, or says what is wrong with the first field that cannot be used. What
// belongs to registrations is passed over in a check, which costs nothing. Every error is an *Error. Beside an error the Job
// has its Domain, unless that is what is wrong.
func (f Fields) Check(kind queue.Kind) (Job, error) {
	name, err := Domain(f.Domain)
	j := Job{Domain: name}
	if err != nil || kind != queue.Register {
		return j, err
	}
	if err := HolderID(f.HolderID); err != nil {
		return j, err
	}
	if f.PeriodMonths != 0 {
		if err := Period(f.PeriodMonths); err != nil {
			return j, err
		}
	}
	hosts, err := Nameservers(f.Nameservers)
	if err != nil {
		return j, err
	}
	words, err := AllowStatus(f.AllowStatus)
	if err != nil {
		return j, err
	}
	return Job{Domain: name, HolderID: f.HolderID, PeriodMonths: f.PeriodMonths, Nameservers: hosts, AllowStatus: words}, nil
}

// Domain reads a domain that can be registered.
func Domain(raw string) (domainname.Name, error) {
	name, err := domainname.Parse(raw)
	if err != nil {
		return domainname.Name{}, nameError("domain", err)
	}
	return name, nil
}

func nameError(field string, err error) *Error {
	var refusal *domainname.Error
	if errors.As(err, &refusal) {
		return &Error{Field: field, Raw: refusal.Raw, Text: refusal.Text, cause: err}
	}
	return &Error{Field: field, Text: err.Error(), cause: err}
}
