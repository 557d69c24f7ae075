package holder

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What follows recognizes what spreadsheets and databases leave in a cell in place of its value. None of it is repaired: the
// value is gone.
var (
	// failedCell is an error in any language that spreadsheets speak, as #N/A, #REF!, #DIV/0!, #NAME?, #VERW! and #BEZUG! are, the
	// signs of a column that is too narrow, and LibreOffice's Err:502. Errors are in capitals and have no digit but that 0.
	failedCell = regexp.MustCompile(`^(#+|#[\p{Lu}_ ]+[!?]|#[\p{Lu}_]+/[\p{Lu}0][!?]?|#N[VD]|#GETTING_DATA|Err:[0-9]{3})$`)

	// roundedCell is a number with an exponent. 12E45 without a sign or a fraction may be an id, and is none of them.
	roundedCell = regexp.MustCompile(`^[-+]?[0-9]+([.,][0-9]+[eE][-+]?|[eE][-+])[0-9]+$`)
)

// CellFailed reports whether a value is a spreadsheet's error, or a formula that was not calculated.
func CellFailed(value string) bool {
	return strings.HasPrefix(value, "=") || failedCell.MatchString(value)
}

// CellRounded reports whether a value is a number that lost its last digits, such as 1.23457E+11.
func CellRounded(value string) bool { return roundedCell.MatchString(value) }

// CellEmptied reports whether a value is a word or a sign for no value, as databases and people write it. A name may be such a
// word: ask it of ids alone.
func CellEmptied(value string) bool {
	if value == `\N` {
		return true
	}
	word := strings.Trim(strings.ToLower(value), `()<>[]{}"'`)
	return slices.Contains([]string{"null", "nil", "none", "n/a", "nan", "undefined", "unknown", "true", "false"}, word) ||
		!strings.ContainsFunc(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) && r != '0' })
}

// LineFailed reports whether a line begins with a spreadsheet's error as its first cell, so that its # begins no comment.
func LineFailed(line string) bool {
	first := line
	if end := strings.IndexAny(line, ",;\t"); end >= 0 {
		first = line[:end]
	}
	first = strings.TrimSpace(first)
	return strings.Trim(first, "#") != "" && failedCell.MatchString(first)
}
