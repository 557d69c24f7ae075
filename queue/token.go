package queue

import "fmt"

// Token asks for a token for the account of a person.
const Token Kind = "token"

// TypeToken is the task type of tokens.
const TypeToken = "account:token"

// TokenAccount is the account of all tokens. GetToken has credentials of its own, and so its own queues, holds and share of the
// work: none of them is a registrar's.
const TokenAccount = "pmg"

// Account is the account that jobs of a kind have where their producer names one: the default means the one that there is.
func (k Kind) Account(named string) string {
	if k.OfPeople() && named == defaultAccount {
		return TokenAccount
	}
	return named
}

// Serves reports whether an account may have jobs of a kind.
func (k Kind) Serves(account string) bool { return k.OfPeople() == (account == TokenAccount) }

func tokenForm() form { return form{taskType: TypeToken, about: aboutPeople} }

// maxPersonal bounds each field of a person in a payload, in bytes. Package job has the rules.
const maxPersonal = 256

// namesPerson reports whether a job has a field of a person.
func (j Job) namesPerson() bool {
	return j.Email != "" || j.Originator != "" || j.LanguageCode != "" || j.FirstName != "" || j.LastName != "" || j.PrivacyConsent != nil
}

// checkPerson checks a job that is about a person, as far as a payload goes.
func (j Job) checkPerson() error {
	switch {
	case j.Epoch != nil && j.namesPerson():
		return fmt.Errorf("what has an epoch names a person by its id alone")
	case j.Epoch == nil && (j.Email == "" || len(j.Email) > maxPersonal):
		return fmt.Errorf("email is empty or longer than %d bytes", maxPersonal)
	case max(len(j.Originator), len(j.LanguageCode), len(j.FirstName), len(j.LastName)) > maxPersonal:
		return fmt.Errorf("a field is longer than %d bytes", maxPersonal)
	}
	return nil
}
