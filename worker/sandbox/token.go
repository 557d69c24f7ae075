package sandbox

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/net/publicsuffix"
)

type tokenRequest struct {
	Email          string `json:"email"`
	Originator     string `json:"originator"`
	LanguageCode   string `json:"languageCode"`
	Firstname      string `json:"firstname"`
	Lastname       string `json:"lastname"`
	PrivacyConsent bool   `json:"privacyConsent"`
}

type tokenResponse struct {
	Status      int    `json:"status"`
	Token       string `json:"token"`
	RedirectURL string `json:"redirectUrl"`
	AccountURL  string `json:"accountUrl"`
}

// The failures that GetToken documents, all of them with 500.
const (
	invalidEmail     = "invalid email"
	invalidExtension = "invalid domain extension"
	invalidLanguage  = "invalid language code"
	invalidPortal    = "invalid portal code"
	failedRegister   = "registration failure"
)

// invalid is what is wrong with a request. GetToken documents 500 for bad input.
func (t tokenRequest) invalid() string {
	switch {
	case !validEmail(t.Email) || utf8.RuneCountInString(t.Email) > 60:
		return invalidEmail
	case !underSuffix(t.Email):
		return invalidExtension
	case t.Originator == "" || utf8.RuneCountInString(t.Originator) > 40:
		return invalidPortal
	case t.LanguageCode != "" && t.LanguageCode != "nl" && t.LanguageCode != "fr" && t.LanguageCode != "en":
		return invalidLanguage
	case utf8.RuneCountInString(t.Firstname) > 30 || utf8.RuneCountInString(t.Lastname) > 40:
		return failedRegister
	}
	return ""
}

// underSuffix reports whether the host of an address ends in a suffix that a registry has.
func underSuffix(email string) bool {
	suffix, known := publicsuffix.PublicSuffix(strings.ToLower(email[strings.LastIndexByte(email, '@')+1:]))
	return known || strings.Contains(suffix, ".")
}

// scriptedToken is the failure that the label of an address asks for, "" for none. Labels are those of domains, see doc.go.
func scriptedToken(label string) string {
	switch label {
	case labelRefused:
		return failedRegister
	case labelBadEmail:
		return invalidEmail
	case labelBadExtension:
		return invalidExtension
	case labelBadLanguage:
		return invalidLanguage
	case labelBadPortal:
		return invalidPortal
	}
	return ""
}

func (s *Sandbox) readToken(r *http.Request, body []byte) task {
	var t tokenRequest
	if f := decode(r, body, &t); f != nil {
		return failing(&failure{http.StatusInternalServerError, f.message})
	}
	return task{person: &t, run: func(c *Call, _ extent) answer {
		if wrong := t.invalid(); wrong != "" {
			return failed(&failure{http.StatusInternalServerError, wrong})
		}
		issued := newIssued(c, t)
		if f := s.books.issueToken(issued, s.opts.label(t.Email)); f != nil {
			return failed(f)
		}
		return answer{status: http.StatusOK, value: tokenResponse{
			Status: http.StatusOK, Token: issued.Token, RedirectURL: issued.RedirectURL, AccountURL: issued.AccountURL,
		}}
	}}
}

// newIssued makes a token, and URLs at the hosts of the documents' example: one that holds the token, and one with an access
// token of its own.
func newIssued(c *Call, t tokenRequest) TokenIssued {
	token := uuid.NewString()
	secret := strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", "")
	return TokenIssued{
		Call: c.Seq, Email: strings.ToLower(t.Email), PrivacyConsent: t.PrivacyConsent, Token: token,
		RedirectURL: "https://www.url.be?t=" + token,
		AccountURL:  "https://napi.pmg.be/api/login/auth/eyJhbGciOiJIUzI1NiJ9." + secret + "?redirecturl=https://account.pmg.be/nl",
	}
}

func (b *books) issueToken(issued TokenIssued, label string) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, flaked := b.flaked[issued.Email]
	switch why := scriptedToken(label); {
	case why != "":
		return &failure{http.StatusInternalServerError, why}
	case label == labelFlaky && !flaked:
		b.flaked[issued.Email] = struct{}{}
		return &failure{http.StatusInternalServerError, "unexpected error, try again"}
	}
	if err := b.file.write(event{Event: eventToken, Seq: issued.Call, Email: issued.Email, Issued: &issued}); err != nil {
		return &failure{http.StatusInternalServerError, err.Error()}
	}
	b.enterToken(issued)
	return nil
}

func (b *books) enterToken(issued TokenIssued) {
	b.tokens[issued.Email]++
	b.issued = append(b.issued, issued)
}

// quotedPerson is a failure that quotes whom a call is about, and the newest token with its URLs.
func (b *books) quotedPerson(p *tokenRequest) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	words := []string{"cannot serve"}
	if p != nil {
		words = append(words, p.Email, "of", p.Firstname, p.Lastname)
	}
	if n := len(b.issued); n > 0 {
		last := b.issued[n-1]
		words = append(words, "after", last.Token, last.RedirectURL, last.AccountURL)
	}
	return &failure{message: strings.Join(words, " ")}
}
