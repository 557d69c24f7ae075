package record

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is kept of an operator's words, in characters.
const (
	maxOperator  = 64
	maxActReason = 500
)

// CheckRecord says what is wrong with what goes on record: who did something, and why.
func CheckRecord(operator, reason string) error {
	switch {
	case operator == "":
		return errors.New("say who does this: it goes on record")
	case utf8.RuneCountInString(operator) > maxOperator || !printable(operator):
		return fmt.Errorf("the operator's name must be at most %d printable characters", maxOperator)
	case operator == "reply" || operator == "readings":
		return fmt.Errorf("an operator cannot be named %q: in the records the word means something else", operator)
	case utf8.RuneCountInString(reason) > maxActReason || !printable(reason):
		return fmt.Errorf("the reason must be one line of at most %d printable characters", maxActReason)
	}
	return nil
}

func printable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
