package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// Lengths of a person's fields in characters, from the contract of GetToken.
const (
	MaxEmail      = 60
	MaxOriginator = 40
	MaxFirstName  = 30
	MaxLastName   = 40
)

// DefaultLanguages are those that GetToken documents.
func DefaultLanguages() []string { return []string{"nl", "fr", "en"} }

// Person is whom a token is asked for, in the fields of GetToken. It is personal data, and prints as nothing.
type Person struct {
	Email          string // with its domain in ASCII
	Originator     string // the code of the portal that asks
	LanguageCode   string // "": not given
	FirstName      string // "": not given
	LastName       string // "": not given
	PrivacyConsent *bool  // whether the person agreed to the privacy terms; nil, which no job may have: not given
}

// Format prints none of it, whatever the verb.
func (Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(a person)") }

func tokenForm() form {
	return form{check: checkToken, subject: func(j Job) string { return queue.Subject(j.Person.Email) }}
}

// checkToken wants a person as GetToken takes one. Its 500 for bad input looks like one for an outage, so that whatever can be
// told beforehand is. The errors name fields, and none of their values.
func checkToken(r Rules, f Fields) (Job, error) {
	var broken broken
	given := f.Person
	person := Person{PrivacyConsent: given.PrivacyConsent}
	for _, field := range []struct {
		value *string
		check func() (string, error)
	}{
		{&person.Email, func() (string, error) { return r.email(given.Email) }},
		{&person.Originator, func() (string, error) { return originator(given.Originator) }},
		{&person.LanguageCode, func() (string, error) { return r.language(given.LanguageCode) }},
		{&person.FirstName, func() (string, error) {
			return personal("firstname", holder.Details{FirstName: given.FirstName}, MaxFirstName)
		}},
		{&person.LastName, func() (string, error) {
			return personal("lastname", holder.Details{LastName: given.LastName}, MaxLastName)
		}},
	} {
		var err error
		*field.value, err = field.check()
		broken.add(err)
	}
	if given.PrivacyConsent == nil {
		broken.add(&Error{Field: "privacyConsent", Text: "is missing: give true or false, whether this person agreed to the privacy terms"})
	}
	if err := broken.err(); err != nil {
		return Job{}, err
	}
	return Job{Person: person}, nil
}

// email brings an address into its normal form. Its domain must be a host under a known suffix.
func (r Rules) email(given string) (string, error) {
	address, err := personal("email", holder.Details{Email: given}, MaxEmail)
	if err != nil {
		return "", err
	}
	if address == "" {
		return "", &Error{Field: "email", Text: "is missing: a token is for the person with this address"}
	}
	_, host, _ := strings.Cut(address, "@")
	if _, err := r.Suffixes.ParseHostUnder(host); err != nil { // its text would quote the domain
		return "", &Error{Field: "email", Text: "has a domain that is under no known suffix: correct what stands behind the @"}
	}
	return address, nil
}

// personal brings the one detail that is given into its normal form.
func personal(field string, given holder.Details, most int) (string, error) {
	normal, err := holder.CheckGiven(given)
	var bad *holder.Error
	if errors.As(err, &bad) {
		return "", &Error{Field: field, Text: bad.Text, cause: bad}
	}
	value := normal.Email + normal.FirstName + normal.LastName
	if utf8.RuneCountInString(value) > most {
		return "", tooLong(field, most)
	}
	return value, nil
}

func tooLong(field string, most int) *Error {
	return &Error{Field: field, Text: fmt.Sprintf("is longer than %d characters, the most that GetToken takes: shorten it", most)}
}

// originator checks the code of a portal, whose form is not documented. In a wrong column it may be somebody's details.
func originator(given string) (string, error) {
	value := strings.TrimSpace(given)
	switch {
	case value == "":
		return "", &Error{Field: "originator", Text: "is missing: give the code of the portal that asks for the token"}
	case !utf8.ValidString(value), strings.ContainsFunc(value, func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }):
		return "", &Error{Field: "originator", Text: "has an invisible or broken character in it: write it anew"}
	case strings.Contains(value, "@"):
		return "", &Error{Field: "originator", Text: "is an e-mail address: give the code of the portal"}
	case holder.CellFailed(value):
		return "", &Error{Field: "originator", Text: "is what a spreadsheet shows instead of a value that it lacks: write the code of the portal"}
	case holder.CellRounded(value):
		return "", &Error{Field: "originator", Text: "is a number that a spreadsheet has rounded: format the column as text and write the code anew"}
	case holder.CellEmptied(value):
		return "", &Error{Field: "originator", Text: "is a word or a sign for no value: give the code of the portal"}
	case utf8.RuneCountInString(value) > MaxOriginator:
		return "", tooLong("originator", MaxOriginator)
	}
	return value, nil
}

// language checks a language, which need not be given.
func (r Rules) language(given string) (string, error) {
	known := r.Languages
	if len(known) == 0 {
		known = DefaultLanguages()
	}
	value := strings.ToLower(strings.TrimSpace(given))
	if value != "" && !slices.Contains(known, value) {
		return "", &Error{Field: "languageCode", Text: "is none of " + strings.Join(known, ", ") + ": give one of these, or leave it out"}
	}
	return value, nil
}

// Consent reads whether somebody agreed, as it is written in a table: true or false. nil is for what is not there.
func Consent(given string) (*bool, error) {
	agreed := false
	switch strings.ToLower(strings.TrimSpace(given)) {
	case "":
		return nil, nil
	case "true":
		agreed = true
	case "false":
	default:
		return nil, &Error{Field: "privacyConsent", Text: "is neither true nor false: give one of the two, whether this person agreed to the privacy terms"}
	}
	return &agreed, nil
}
