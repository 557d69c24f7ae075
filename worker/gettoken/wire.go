package gettoken

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// This file holds every field name of GetToken and every word that is looked for in its replies, and nothing else in the package
// knows one. All of them are documented (contract/gettoken.openapi.yaml).

// Life is how long a token can be used, counted from the call that asked for it.
const Life = 10 * time.Minute

type wirePerson struct {
	Email          string `json:"email"`
	Originator     string `json:"originator"`
	LanguageCode   string `json:"languageCode,omitempty"`
	FirstName      string `json:"firstname,omitempty"`
	LastName       string `json:"lastname,omitempty"`
	PrivacyConsent bool   `json:"privacyConsent"`
}

func encodePerson(p Person) ([]byte, error) { return json.Marshal(wirePerson(p)) }

type wireReply struct {
	Status      wireStatus `json:"status"`
	Token       string     `json:"token"`
	RedirectURL string     `json:"redirectUrl"`
	AccountURL  string     `json:"accountUrl"`
	Error       wireText   `json:"error"`
	Message     wireText   `json:"message"`
}

// wireStatus is the status in a body: a whole number, in quotes or not. 0 is none.
type wireStatus int

func (s *wireStatus) UnmarshalJSON(raw []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || n < 0 || n > 999 {
		n = 0
	}
	*s = wireStatus(n)
	return nil
}

// wireText is words. What is none is passed over, and does not make the rest of its body unreadable.
type wireText string

func (t *wireText) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = ""
	}
	*t = wireText(text)
	return nil
}

// decode reads a body, of a success or not.
func decode(body []byte) (wireReply, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	var w wireReply
	switch {
	case len(body) == 0:
		return w, errors.New("reply is empty")
	case body[0] != '{' || json.Unmarshal(body, &w) != nil: // its error would quote the reply, which may hold the token
		return wireReply{}, errors.New("reply is not the documented JSON")
	}
	return w, nil
}

// maxURL bounds a URL of a reply, in bytes.
const maxURL = 4 << 10

// issued reads what a success brings. Its errors never quote the reply.
func (w wireReply) issued() (Issued, error) {
	token, err := uuid.Parse(w.Token)
	switch {
	case w.Status != statusIssued:
		return Issued{}, fmt.Errorf("the body says status %d, and HTTP says %d", w.Status, statusIssued)
	case err != nil || token == uuid.Nil:
		return Issued{}, errors.New("reply holds no token of the documented form")
	case max(len(w.RedirectURL), len(w.AccountURL)) > maxURL, isUnprintable(w.RedirectURL + w.AccountURL):
		return Issued{}, errors.New("reply holds a URL that cannot be kept")
	}
	return Issued{Token: upstream.Secret(w.Token), RedirectURL: upstream.Secret(w.RedirectURL), AccountURL: upstream.Secret(w.AccountURL)}, nil
}

const statusIssued = 200

// words are those of a reply that is no success. Both fields may say the same.
func (w wireReply) words() string {
	switch {
	case w.Error == "" || w.Error == w.Message:
		return string(w.Message)
	case w.Message == "":
		return string(w.Error)
	}
	return string(w.Error + ": " + w.Message)
}

var (
	// invalidPattern finds the word by which the documents tell bad input from a failure: invalid email, invalid domain extension,
	// invalid language code, invalid portal code.
	invalidPattern = regexp.MustCompile(`(?i)\binvalid\b`)
	// tokenPattern is a GUID, urlPattern a URL, or what is left of one without a scheme or a host: each may be a key to somebody's
	// account.
	tokenPattern = regexp.MustCompile(`(?i)[0-9a-f]{8}(?:-|%2d)?(?:[0-9a-f]{4}(?:-|%2d)?){3}[0-9a-f]{12}`)
	urlPattern   = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*(?:://|:\\/\\/|%3a%2f%2f)\S+` +
		`|\b(?:[a-z0-9-]+\.)+[a-z]{2,}(?::[0-9]+)?(?:[/?]|\\/|%2f|%3f)\S+|\S*(?:\?|%3f)[^\s=%]+(?:=|%3d)\S+`)
)

// saysInvalid reports that a reply blames what it was sent.
func saysInvalid(words string) bool { return invalidPattern.MatchString(words) }

// withoutKeys takes out of the upstream's words what may be a token or lead to one.
func withoutKeys(words string) string {
	return tokenPattern.ReplaceAllString(urlPattern.ReplaceAllString(words, "[url]"), "[token]")
}

// isUnprintable reports whether a text has a space in it, or what a terminal may obey and nobody sees.
func isUnprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })
}
