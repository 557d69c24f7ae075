package registrar

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A text may be shown letter by letter: its bytes in hexadecimal, as a dump, or as a list of decimal, octal or binary numbers, and its
// letters by their numbers in Unicode, or as the calls that make them. Fewer letters tell nobody apart.
var (
	dumpPattern   = regexp.MustCompile(`\b(?:(?:0?[xX])?[0-9A-Fa-f]{2}(?:, ?|[ :;|.-])){4,}(?:0?[xX])?[0-9A-Fa-f]{2}`)
	listPattern   = regexp.MustCompile(`(?:(?:0o?)?[0-9]{2,3}(?:[,;|/.+-] ?| )){4,}(?:0o?)?[0-9]{2,3}`)
	binaryPattern = regexp.MustCompile(`(?:(?:0[bB])?[01]{7,8}(?:[,;|/.+:-] ?| )){4,}(?:0[bB])?[01]{7,8}`)
	// 4772 6f65, as tools show files
	groupPattern = regexp.MustCompile(`\b(?:[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{4})? ){2,}[0-9A-Fa-f]{2,8}\b`)
	// 7-18-15, the places of letters in the alphabet
	placePattern = regexp.MustCompile(`\b(?:[0-9]{1,2}(?:, ?|[ ./-])){4,}[0-9]{1,2}\b`)
	// U+0047 U+0072, or 0x0047 0x0072
	pointPattern = regexp.MustCompile(`(?:(?:[uU]\+|0[xX])[0-9A-Fa-f]{2,6}[^0-9A-Za-z]{0,4}){5,}`)
	// \47 \72, as style sheets write it, or &H47 &H72
	stylePattern = regexp.MustCompile(`(?:(?:\\|&[hH])[0-9A-Fa-f]{2,6}[ ,;]{0,2}){5,}`)
	// chr(71)+chr(114), CHAR(0x47) || CHAR(0x72)
	callPattern = regexp.MustCompile(`(?i)(?:(?:n?char|chrw?|unichr|ascii|cp)\$?[ (]{1,3}(?:0x|&h|u\+)?[0-9A-F]{2,5}[^0-9A-Z]{0,8}){5,}`)
)

// shownAs is a way to show a text letter by letter, in one of some bases.
type shownAs struct {
	pattern *regexp.Regexp
	bases   []int
	signs   string // one of them is in every such text; "" for any
}

func showings() []shownAs {
	const binary, octal, decimal, hexadecimal = 2, 8, 10, 16
	return []shownAs{
		{dumpPattern, []int{hexadecimal}, ""}, {listPattern, []int{decimal, octal}, ""}, {binaryPattern, []int{binary}, ""},
		{groupPattern, []int{grouped}, ""}, {placePattern, []int{places}, ""},
		{pointPattern, []int{hexadecimal}, "+xX"}, {stylePattern, []int{hexadecimal}, `\&`}, {callPattern, []int{decimal, hexadecimal}, "("},
	}
}

// Not one by one, or no bytes, are what these stand for in the place of a base: bytes in hexadecimal, several in a group, and places
// in the alphabet.
const (
	grouped = 0
	places  = -1
)

// markBytes is markEncoded for what is shown letter by letter.
func (v view) markBytes(mask []bool, tells func(text string) bool) {
	const fewest = 5 // each letter of ASCII has a digit, in every base
	if countDigits(v.text) < fewest {
		return
	}
	for _, shown := range showings() {
		if shown.signs != "" && !bytes.ContainsAny(v.text, shown.signs) {
			continue
		}
		for _, found := range shown.pattern.FindAllIndex(v.text, -1) {
			run := strings.TrimRight(string(v.text[found[0]:found[1]]), " ")
			if slices.ContainsFunc(shown.bases, func(base int) bool { return slices.ContainsFunc(lettersShown(run, base), tells) }) {
				for i := v.at[found[0]]; i < v.at[found[0]+len(run)]; i++ {
					mask[i] = true
				}
			}
		}
	}
}

func countDigits(text []byte) int {
	n := 0
	for _, c := range text {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n
}

// lettersShown are the texts of bytes, or of letters, that are shown one by one.
func lettersShown(shown string, base int) []string {
	const bitsOfLetter, values = 21, 256
	switch base {
	case grouped:
		return decodings([]byte(strings.ReplaceAll(shown, " ", "")))
	case places:
		return lettersAt(shown)
	}
	var (
		decoded []byte
		letters []rune
		wide    bool
	)
	for _, digits := range strings.FieldsFunc(strings.ToLower(shown), func(r rune) bool { return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if isCallWord(digits) {
			continue
		}
		for _, prefix := range [...]string{"0x", "x", "0o", "0b"} {
			if prefix != "0b" || base == 2 { // else it is a number
				digits = strings.TrimPrefix(digits, prefix)
			}
		}
		digits = strings.TrimPrefix(strings.TrimSuffix(digits, "u"), "h") // the u of the next one, the h of &H47
		n, err := strconv.ParseUint(digits, base, bitsOfLetter)
		if err != nil {
			return nil
		}
		wide = wide || n >= values
		decoded, letters = append(decoded, byte(n)), append(letters, rune(n))
	}
	var texts []string
	if text := string(letters); isText(text) {
		texts = append(texts, text)
	}
	if !wide {
		texts = append(texts, wholeTexts(decoded)...)
	}
	return texts
}

// lettersAt is the text whose letters have these places in the alphabet.
func lettersAt(places string) []string {
	const letters = 26
	var b strings.Builder
	for _, place := range strings.FieldsFunc(places, func(r rune) bool { return !unicode.IsDigit(r) }) {
		n, err := strconv.Atoi(place)
		if err != nil || n < 1 || n > letters {
			return nil
		}
		b.WriteByte(byte('a' + n - 1))
	}
	return []string{b.String()}
}

// isCallWord knows what makes a letter of a number, and is none itself.
func isCallWord(word string) bool { return listed(" u h char nchar chr chrw unichr ascii cp ", word) }

// unescapeCSS knows letters of Latin scripts as style sheets write them: \47 and \0000e9, with a space that ends them.
func unescapeCSS(b []byte) ([]byte, int) {
	const longest, endOfLatin = 6, 0x250
	if n, ok := parseDigits(b, 1, longest, 16); ok && n >= ' ' && n < endOfLatin {
		return utf8.AppendRune(nil, n), 1 + longest + spaceAt(b, 1+longest)
	}
	n, ok := parseDigits(b, 1, 2, 16)
	if !ok || n < ' ' {
		return nil, 0
	}
	if _, octal := parseDigits(b, 1, 3, 8); octal { // of three digits
		return nil, 0
	}
	if space := spaceAt(b, 3); space > 0 || len(b) > 3 && b[3] == '\\' && b[1] <= '9' || len(b) == 3 && b[1] <= '9' {
		return utf8.AppendRune(nil, n), 3 + space
	}
	return nil, 0
}

// spaceAt is 1 where a space stands, and else 0.
func spaceAt(b []byte, at int) int {
	if at < len(b) && b[at] == ' ' {
		return 1
	}
	return 0
}
