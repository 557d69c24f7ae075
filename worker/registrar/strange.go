package registrar

import (
	"regexp"
	"strings"
	"unicode"
)

// An upstream writes its own words in Latin letters. What it quotes in another script is somebody's, whoever that is and however
// it was spelled before; and a run of letters and digits that is no word may say anything, in an encoding that nobody thought of.
// So such words are hidden without being understood. Names of the domains that a call is about stay.

const (
	// longestWord is how many letters a word has, and longestNumber how many digits a number, that are not taken for an encoding.
	longestWord, longestNumber = 40, 14
	// shortestMixed is how long a word is that has letters and digits, or small letters and capitals, in a disorder.
	shortestMixed = 10
	// shortestFlanked is how long a word is that has digits between letters, as a name may be written with some.
	shortestFlanked = 5
)

var (
	// uuidPattern knows identifiers of requests; the registrar finds a call by them.
	uuidPattern = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	// timePattern is a time without its signs.
	timePattern = regexp.MustCompile(`^[0-9]{8}[Tt][0-9]{4,6}[Zz]?$`)
)

// markStrange marks the words that are hidden whatever they say. Own says where the call's domains stand. Where a holder is
// written in another script, nobody knows how he is spelled in Latin letters: then every word is strange that is not one of the
// ordinary ones.
func (v view) markStrange(mask []bool, signs []sign, own []bool, unknownToo bool) {
	known := uuidPattern.FindAllIndex(v.text, -1)
	for from := 0; from < len(signs); {
		to := from + 1
		for to < len(signs) && signs[to].gap == 0 {
			to++
		}
		word := signs[from:to]
		if !own[word[0].start] && !within(known, word[0].from) &&
			(isForeign(word) || v.isCode(word) || unknownToo && isUnknown(word)) {
			v.markJoined(mask, signs, from, to)
		}
		from = to
	}
}

// markJoined marks a strange word, and those that signs of base64 join to it, which are parts of the same run.
func (v view) markJoined(mask []bool, signs []sign, from, to int) {
	joined := func(i int) bool { // a sign and the one before it
		return signs[i].gap == 1 && signs[i].from > 0 && strings.IndexByte("+/_=", v.text[signs[i].from-1]) >= 0
	}
	for from > 0 && joined(from) && !isPlainRun(signs, wordStart(signs, from-1), from) {
		from = wordStart(signs, from-1)
	}
	for to < len(signs) && joined(to) && !isPlainRun(signs, to, wordEnd(signs, to)) {
		to = wordEnd(signs, to)
	}
	end := signs[to-1].to
	for end < len(v.text) && v.text[end] == '=' { // it fills up the last letters
		end++
	}
	for i := v.at[signs[from].from]; i < v.at[end]; i++ {
		mask[i] = true
	}
}

func wordStart(signs []sign, i int) int {
	for i > 0 && signs[i].gap == 0 {
		i--
	}
	return i
}

func wordEnd(signs []sign, i int) int {
	for i++; i < len(signs) && signs[i].gap == 0; {
		i++
	}
	return i
}

// isPlainRun reports that signs are a word in small letters: a part of a path, or the name of a field.
func isPlainRun(signs []sign, from, to int) bool {
	for _, s := range signs[from:to] {
		if s.upper || !unicode.IsLetter(s.r) {
			return false
		}
	}
	return true
}

func within(ranges [][]int, at int) bool {
	for _, r := range ranges {
		if at >= r[0] && at < r[1] {
			return true
		}
	}
	return false
}

// isForeign reports that a word has letters of another script than the Latin one. Those of units, as in µs, are none.
func isForeign(word []sign) bool {
	const longestUnit = 2
	for _, s := range word {
		if s.r == hole || !unicode.IsLetter(s.r) && !isBraille(s.r) || unicode.Is(unicode.Latin, s.r) {
			continue
		}
		if len(word) <= longestUnit && (s.r == 'μ' || s.r == 'ω') {
			continue
		}
		return true
	}
	return false
}

// isUnknown reports that a word is not one that an upstream needs to say anything.
func isUnknown(word []sign) bool {
	text := foldedOf(word)
	return len(text) > 1 && strings.Trim(text, "0123456789") != "" && !isOrdinary(text) && !isExplaining(text)
}

// isCode reports that a word looks like an encoding of something.
func (v view) isCode(word []sign) bool {
	if first := word[0].from; first > 0 && strings.IndexByte(`\%&`, v.text[first-1]) >= 0 {
		return false // an escape, which the next reading takes off
	}
	var shape wordShape
	for _, s := range word {
		shape.add(s)
	}
	switch {
	case shape.digits == len(word):
		return len(word) > longestNumber
	case len(word) > longestWord:
		return true
	case timePattern.Match(v.text[word[0].from:word[len(word)-1].to]):
		return false
	case shape.flanked > 0 && len(word) >= shortestFlanked:
		return !isVersioned(word)
	case len(word) < shortestMixed:
		return false
	case shape.digits > 0:
		return shape.changes > 1 || shape.digits > longestNumber
	}
	const lettersOfPart = 4 // of names that are written as one, such as holderFirstName
	return shape.parts > 2 && len(word) < lettersOfPart*shape.parts
}

// isVersioned knows names such as IPv4address: nobody is called so.
func isVersioned(word []sign) bool {
	return len(word) > 3 && word[0].r == 'i' && word[1].r == 'p' && word[2].r == 'v'
}

// wordShape is what a word looks like.
type wordShape struct {
	digits  int
	changes int // from letters to digits, or back
	flanked int // groups of digits with letters on both sides
	parts   int // beginnings: capitals behind small letters
	last    sign
	begun   bool
	lettersBefore,
	inDigits bool
}

func (w *wordShape) add(s sign) {
	digit := unicode.IsDigit(s.r)
	if digit {
		w.digits++
	}
	if w.begun && digit != w.inDigits {
		w.changes++
		if !digit && w.lettersBefore {
			w.flanked++
		}
	}
	if !digit {
		w.lettersBefore = true
	}
	if !w.begun || s.upper && !w.last.upper {
		w.parts++
	}
	w.begun, w.inDigits, w.last = true, digit, s
}
