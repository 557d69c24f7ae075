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

// Fields are those of one job, as somebody wrote them. Which of them count is for the kind of the job to say.
type Fields struct {
	Domain       string
	HolderID     string
	PeriodMonths int // 0: not given
	Nameservers  []string
	AllowStatus  []string
	Person       Person // of tokens
}

// Job is a job whose fields are in order and in their normal form.
type Job struct {
	Domain       domainname.Name // zero for a person's
	HolderID     string          // of registrations, as the next ones
	PeriodMonths int             // 0: not given
	Nameservers  []string        // none, or 2 to 13 distinct ASCII host names
	AllowStatus  []string        // words of a WHOIS status that do not bar the domain
	Person       Person          // zero for a domain's
}

// Error is what is wrong with one field, and with further ones.
type Error struct {
	Field string
	Raw   string   // the value, bounded; "" where it may be somebody's details or a secret
	Text  string   // what is wrong and what to do; it follows Field and Raw in a sentence
	More  []*Error // what is wrong with other fields; these have none of their own
	cause error
}

// Error gives field, value and text in one sentence, and then those of the other fields.
func (e *Error) Error() string {
	text := e.Field + " "
	if e.Raw != "" {
		text += strconv.Quote(e.Raw) + " "
	}
	text += e.Text
	for _, other := range e.More {
		text += "; " + other.Error()
	}
	return text
}

// Unwrap gives the error of the field's own kind, if it has one.
func (e *Error) Unwrap() error { return e.cause }

// Rules are those that a setting may widen. The zero Rules are the usual ones.
type Rules struct {
	Suffixes  domainname.Suffixes // under which names can be registered, too
	Languages []string            // of tokens, in lower case; none are DefaultLanguages
}

// Check is Rules.Check by the usual rules.
func (f Fields) Check(kind queue.Kind) (Job, error) { return Rules{}.Check(f, kind) }

// Check brings a job of a kind into its normal form, or says what is wrong with each field that cannot be used. Fields that
// do not belong to the kind are passed over. Every error is an *Error, but that for what is no kind. Beside an error the Job has
// its Domain, unless that is what is wrong.
func (r Rules) Check(f Fields, kind queue.Kind) (Job, error) {
	form, err := formOf(kind)
	if err != nil {
		return Job{}, err
	}
	return form.check(r, f)
}

// broken collects what is wrong with the fields of a job.
type broken []*Error

func (b *broken) add(err error) {
	var one *Error
	if errors.As(err, &one) {
		*b = append(*b, one)
	}
}

// err is all of them as one, nil for none.
func (b broken) err() error {
	if len(b) == 0 {
		return nil
	}
	first := *b[0]
	first.More = append(first.More, b[1:]...)
	return &first
}

// Domain reads a domain that can be registered.
func (r Rules) Domain(raw string) (domainname.Name, error) {
	name, err := r.Suffixes.Parse(raw)
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
