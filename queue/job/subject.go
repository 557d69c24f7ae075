package job

import (
	"regexp"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

var subjectPattern = regexp.MustCompile(`^person-[a-z2-7]{16}$`)

// SubjectOf reads how somebody names a person: by e-mail address, or by a subject itself. Its error is an *Error.
func SubjectOf(text string) (string, error) {
	if subjectPattern.MatchString(text) {
		return text, nil
	}
	address, err := personal("email", holder.Details{Email: text}, MaxEmail)
	switch {
	case err != nil:
		return "", err
	case address == "":
		return "", &Error{Field: "email", Text: "is missing: give an e-mail address, or a subject such as person-evbhpobvk3xqp64m"}
	}
	return queue.Subject(address), nil
}
