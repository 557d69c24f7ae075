package holder

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Digits of an E.164 number with its country code. The shortest in use have seven.
const (
	minDigits = 7
	maxDigits = 15
)

// tidyPhone brings a number into ASCII: digits and signs of full width, spaces of any width, dashes, dots and brackets of any
// script. What has no look, such as the marks of direction that contacts are copied with, is left out. Other characters stay
// as they are, digits of other scripts among them.
func tidyPhone(value string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r), r == '\u034F', unicode.Is(unicode.Variation_Selector, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Pd, r), strings.ContainsRune("\u2212\u2043\u02D7", r): // minus signs and bullets that pass for dashes
			return '-'
		case '\uFF10' <= r && r <= '\uFF19':
			return '0' + r - '\uFF10'
		case strings.ContainsRune("\uFE62\u207A\u2795\uFF0B", r):
			return '+'
		case strings.ContainsRune("\u00B7\u2022\u2027\u2219\u22C5\u30FB\uFF0E\uFF65\u3002\uFE52", r):
			return '.'
		case strings.ContainsRune("\uFF08\uFE59\u207D", r):
			return '('
		case strings.ContainsRune("\uFF09\uFE5A\u207E", r):
			return ')'
		}
		return r
	}, norm.NFC.String(value)))
}

// normalisePhone takes the separators out of what tidyPhone left. It completes nothing and guesses nothing: a number without
// its country code, or with the 0 that is dialled within the country, may be meant in two ways.
func normalisePhone(value string) (normal, why string) {
	const bad = "is no number in international form (E.164): write + and the country code first, such as +31612345678"
	digits, plus := strings.CutPrefix(value, "+")
	if !plus || !closesBrackets(digits) || strings.Contains(strings.ReplaceAll(digits, " ", ""), "(0)") {
		return "", bad
	}
	digits = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "").Replace(digits)
	if len(digits) < minDigits || len(digits) > maxDigits || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", bad
	}
	code := digits[:callingCodeLength(digits)]
	if rest := digits[len(code):]; rest[0] == '0' && !keepsZero(code, rest) {
		return "", "has a 0 after its country code +" + code + ": leave that 0 out, which is dialled within the country only"
	}
	return "+" + digits, ""
}

// closesBrackets reports whether each bracket has its twin, and none is within another.
func closesBrackets(s string) bool {
	open := false
	for _, r := range s {
		if r == '(' || r == ')' {
			if open == (r == '(') {
				return false
			}
			open = !open
		}
	}
	return !open
}

// callingCodeLength is how many digits a number's country code has (ITU-T E.164, list of assigned codes): one in the zones 1
// and 7, two for the codes here, and three for all others.
func callingCodeLength(digits string) int {
	const two = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
	switch {
	case digits[0] == '1', digits[0] == '7':
		return 1
	case strings.Contains(two, digits[:2]):
		return 2
	}
	return 3
}

// keepsZero reports whether a number goes on with 0 after its country code also when it is dialled from abroad. These are the
// plans of which Google's libphonenumber (PhoneNumberMetadata.xml, of 2026) has fixed or mobile numbers that begin so: Italy and
// the Vatican, San Marino and the code reserved for the Vatican, Côte d'Ivoire, Burkina Faso, Benin, Gabon, the Congo,
// Tajikistan, satellites, and one prefix of Rwanda.
func keepsZero(code, rest string) bool {
	switch code {
	case "39", "378", "379", "225", "226", "229", "241", "242", "992", "881":
		return true
	case "250":
		return strings.HasPrefix(rest, "06") && len(rest) == len("06123456")
	}
	return false
}
