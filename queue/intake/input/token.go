package input

import (
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/job"
)

// Positions of the cells of a token order, behind the e-mail address.
const (
	columnOriginator = 1 + iota
	columnLanguage
	columnFirstName
	columnLastName
	columnConsent
)

// tokenLayout has GetToken's own names. A token needs more than an address, so that there are no bare lines, and an unknown
// column is refused: one that was meant for the consent, or for a language, must not be passed over.
func tokenLayout() layout {
	return layout{
		columns: columns{
			columnSubject:    {name: "email", aliases: detailAliases("email")},
			columnOriginator: {name: "originator", aliases: []string{"portal", "portal_code"}},
			columnLanguage:   {name: "languageCode", aliases: []string{"languagecode", "language_code", "language"}},
			columnFirstName:  {name: "firstname", aliases: detailAliases("firstname")},
			columnLastName:   {name: "lastname", aliases: detailAliases("lastname")},
			columnConsent:    {name: "privacyConsent", aliases: []string{"privacyconsent", "privacy_consent"}, role: roleConsent},
		},
		strict: true, many: "people", example: `{"email":"name@example.nl","originator":"portal","privacyConsent":true}`,
		record: tokenOf,
		differs: func(before, now details) string {
			if before == now {
				return ""
			}
			return "other details"
		},
	}
}

// tokenOf makes a record of a line of a token order. None of its faults repeats a value.
func tokenOf(found row, opts Options) (Record, *fault) {
	var all faults
	for _, broken := range found.broken {
		all.add(broken)
	}
	cols := tokenLayout().columns
	for i, c := range found.cells {
		if c.list != nil {
			all.add(&fault{field: cols[i].name, reason: "is a list: a person has one"})
		}
	}
	given := job.Person{
		Email: found.cells[columnSubject].text, Originator: found.cells[columnOriginator].text, LanguageCode: found.cells[columnLanguage].text,
		FirstName: found.cells[columnFirstName].text, LastName: found.cells[columnLastName].text,
	}
	var err error
	if given.PrivacyConsent, err = job.Consent(found.cells[columnConsent].text); err != nil {
		all.add(faultOf(err))
	}
	checked, err := job.Rules{Suffixes: opts.Suffixes, Languages: opts.Languages}.Check(job.Fields{Person: given}, queue.Token)
	all.add(faultOf(err))
	return Record{Line: found.line, Person: checked.Person}, all.one()
}
