package seal

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
)

// What a text is, in its Use.
const (
	whatPerson  = "person"
	whatToken   = "token"
	whatWebhook = "webhook"
)

// Job says for which job something is sealed: its order, by the name that its source gave it, and its id.
type Job struct {
	Source, Reference string
	ID                uuid.UUID
}

func (j Job) use(what string) Use {
	return Use{What: what, Order: j.Source + "\x00" + j.Reference, Job: j.ID}
}

// Person is whom a token is asked for, as package job has it. It prints as nothing.
type Person struct {
	Email          string `json:"email"`
	Originator     string `json:"originator"`
	LanguageCode   string `json:"language,omitempty"`
	FirstName      string `json:"first,omitempty"`
	LastName       string `json:"last,omitempty"`
	PrivacyConsent *bool  `json:"consent"`
}

// Format prints none of it, whatever the verb.
func (Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(a person)") }

// LogValue hides it.
func (Person) LogValue() slog.Value { return slog.StringValue("(a person)") }

// Token is a token and the URLs that came with it. It prints as nothing.
type Token struct {
	Token       string `json:"token"`
	RedirectURL string `json:"redirect,omitempty"`
	AccountURL  string `json:"account,omitempty"`
}

// Format prints none of it, whatever the verb.
func (Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(a token)") }

// LogValue hides it.
func (Token) LogValue() slog.Value { return slog.StringValue("(a token)") }

// SealPerson seals whom a job's token is for.
func (k Keys) SealPerson(p Person, of Job) ([]byte, error) { return sealJSON(k, p, of.use(whatPerson)) }

// OpenPerson gives back whom a job's token is for.
func (k Keys) OpenPerson(sealed []byte, of Job) (Person, error) {
	return openJSON[Person](k, sealed, of.use(whatPerson))
}

// SealToken seals a job's token.
func (k Keys) SealToken(t Token, of Job) ([]byte, error) { return sealJSON(k, t, of.use(whatToken)) }

// OpenToken gives a job's token back.
func (k Keys) OpenToken(sealed []byte, of Job) (Token, error) {
	return openJSON[Token](k, sealed, of.use(whatToken))
}

func sealJSON[T any](k Keys, v T, use Use) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, ErrBroken // the error may quote what it could not write
	}
	return k.Seal(text, use)
}

func openJSON[T any](k Keys, sealed []byte, use Use) (T, error) {
	var v, none T
	text, err := k.Open(sealed, use)
	if err != nil {
		return none, err
	}
	if json.Unmarshal(text, &v) != nil {
		return none, ErrBroken
	}
	return v, nil
}

// Endpoint says whose webhook a secret is.
type Endpoint struct{ Source, ID string }

func (e Endpoint) use() Use { return Use{What: whatWebhook, Order: e.Source + "\x00" + e.ID} }

// SealSecret seals the secret of a webhook.
func (k Keys) SealSecret(secret []byte, of Endpoint) ([]byte, error) { return k.Seal(secret, of.use()) }

// OpenSecret gives back the secret of a webhook.
func (k Keys) OpenSecret(sealed []byte, of Endpoint) ([]byte, error) { return k.Open(sealed, of.use()) }
