package input

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isFormulaSign reports whether a spreadsheet may take what follows the sign for a formula. Some read the twins of a sign, full-width
// and small ones and the minus of mathematics, as the sign itself.
func isFormulaSign(r rune) bool { return strings.ContainsRune("=+-@＝＋－＠﹦﹢﹣﹫−", r) }

// isSkipped reports whether a spreadsheet may pass over what stands before a sign: white space, quotes, and what nobody sees.
func isSkipped(r rune) bool {
	return r == '"' || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Cc)
}

// Disarm puts an apostrophe before every sign that begins a formula, where a cell begins or might do so: at the beginning, and
// behind each of the separators, past spaces, quotes and what nobody sees. Spreadsheets show what follows an apostrophe as it is.
func Disarm(text, separators string) string {
	return atCells(text, separators, func(rest string) bool {
		r, _ := utf8.DecodeRuneInString(rest)
		return isFormulaSign(r)
	}, "'", 0)
}

// Guard is Disarm for a cell that is read again: whoever reads it gets the text as it was, also where that has apostrophes of its own.
func Guard(text string) string { return atCells(text, cellSeparators, isMarked, "'", 0) }

// isMarked reports whether a formula's sign stands there, behind any number of apostrophes.
func isMarked(rest string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(rest, "'"))
	return isFormulaSign(r)
}

// disarmRow is Disarm for a row of a file, parted by whatever a spreadsheet may part it at. Numbers with a sign stay as they are,
// those of telephones, too.
func disarmRow(row string) string {
	return atCells(row, cellSeparators, func(rest string) bool {
		r, size := utf8.DecodeRuneInString(rest)
		return isFormulaSign(r) && (r != '+' && r != '-' || !isNumber(rest[size:]))
	}, "'", 0)
}

// rearm takes out of a cell what disarmRow or Guard has put in.
func rearm(cell string) string {
	if !strings.Contains(cell, "'") {
		return cell
	}
	return atCells(cell, cellSeparators, func(rest string) bool { return rest[0] == '\'' && isMarked(rest) }, "", len("'"))
}

const cellSeparators = ",;\t\r\n"

// atCells puts something in the place of so many bytes wherever a cell may begin and what stands there is to be changed.
func atCells(text, separators string, changes func(rest string) bool, with string, inPlaceOf int) string {
	var b strings.Builder
	begins, done := true, 0
	for i, r := range text {
		if i < done {
			continue
		}
		switch {
		case strings.ContainsRune(separators, r):
			begins = true
		case begins && isSkipped(r):
		case begins:
			if begins = false; changes(text[i:]) {
				b.WriteString(text[done:i] + with)
				done = i + inPlaceOf
			}
		}
	}
	return b.String() + text[done:]
}

// isNumber reports whether a cell goes on with digits and what stands between them alone.
func isNumber(rest string) bool {
	if end := strings.IndexAny(rest, cellSeparators+`"`); end >= 0 {
		rest = rest[:end]
	}
	return strings.Trim(rest, "0123456789 ().-/") == ""
}
