package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
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

// invalid is what is wrong with a request. GetToken documents 500 for bad input.
func (t tokenRequest) invalid() string {
	switch {
	case !validEmail(t.Email) || utf8.RuneCountInString(t.Email) > 60:
		return "invalid email"
	case t.Originator == "" || utf8.RuneCountInString(t.Originator) > 40:
		return "invalid portal code"
	case t.LanguageCode != "" && t.LanguageCode != "nl" && t.LanguageCode != "fr" && t.LanguageCode != "en":
		return "invalid language code"
	case utf8.RuneCountInString(t.Firstname) > 30 || utf8.RuneCountInString(t.Lastname) > 40:
		return "registration failure"
	}
	return ""
}

func (s *Sandbox) readToken(r *http.Request, body []byte) task {
	var t tokenRequest
	if f := decode(r, body, &t); f != nil {
		return failing(&failure{http.StatusInternalServerError, f.message})
	}
	return task{run: func(c *Call, _ extent) answer {
		if wrong := t.invalid(); wrong != "" {
			return failed(&failure{http.StatusInternalServerError, wrong})
		}
		if f := s.books.issueToken(c, strings.ToLower(t.Email), s.opts.label(t.Email)); f != nil {
			return failed(f)
		}
		token := uuid.NewString()
		return answer{status: http.StatusOK, value: tokenResponse{
			Status: http.StatusOK, Token: token,
			RedirectURL: "https://portal.example/register?token=" + url.QueryEscape(token),
			AccountURL:  "https://portal.example/account?access_token=" + uuid.NewString(),
		}}
	}}
}

func (b *books) issueToken(c *Call, email, label string) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, flaked := b.flaked[email]
	switch {
	case label == labelRefused:
		return &failure{http.StatusInternalServerError, "registration failure"}
	case label == labelFlaky && !flaked:
		b.flaked[email] = struct{}{}
		return &failure{http.StatusInternalServerError, "unexpected error, try again"}
	}
	if err := b.file.write(event{Event: eventToken, Seq: c.Seq, Email: email}); err != nil {
		return &failure{http.StatusInternalServerError, err.Error()}
	}
	b.tokens[email]++
	return nil
}
