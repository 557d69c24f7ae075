package registrar

import (
	"strings"
	"unicode"
)

// The digits of a Dutch postal code are a village or a quarter. Alone they may be any number, but not beside a word for such codes.

// addCode lets the digits of a Dutch postal code be found: 1234 AB.
func (t terms) addCode(term string) {
	const digits, letters = 4, 2
	code, rest, found := strings.Cut(term, " ")
	if !found || len(code) != digits || len(rest) != letters || strings.Trim(code, "0123456789") != "" || strings.ContainsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return
	}
	f := newFinding(code, code)
	f.code = true
	t.add(code, f)
}

// besideCode reports that the word before or behind signs[i:j] is one for postal codes.
func besideCode(signs []sign, i, j int) bool {
	return i > 0 && namesCode(signs[wordStart(signs, i-1):i]) || j < len(signs) && namesCode(signs[j:wordEnd(signs, j)])
}

func namesCode(word []sign) bool {
	const longest = 20
	if len(word) > longest {
		return false
	}
	text := foldedOf(word)
	return strings.HasSuffix(text, "code") || strings.HasSuffix(text, "codes") || listed(" postal postleitzahl plz zip zipcode postnummer cp pc ", text)
}
