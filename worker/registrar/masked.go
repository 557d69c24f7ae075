package registrar

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// An upstream may show some letters of a detail and signs in the place of the others, as in Gij***rt. Stars and bullets between
// letters stand for hardly anything else, so that such words are hidden whoever they are. Other signs do, and are looked at only
// where what they leave is the beginning and the end of a term.

const (
	stars  = "*•●∙█▓▒░■"
	monies = "$€£¥¤" // they stand for an s, an e and so on
	// shortestStarred is how many stars before a word, or behind it, are no mark of a footnote or of a heading.
	shortestStarred = 3
	// shortestShown is how many letters beside one other sign tell somebody apart, shortestVeiled beside several, and shortestSide how
	// many there are of them on each side.
	shortestShown, shortestVeiled, shortestSide = 5, 4, 2
)

var (
	starredPattern = regexp.MustCompile(`[\pL\pN]*[` + stars + monies + `][\pL\pN` + stars + monies + `]*`)
	// veiledPattern is a word with signs that may stand for letters, and veilPattern the signs.
	veiledPattern = regexp.MustCompile(`[\pL\pN]+(?:(?:\.{2,}|-{2,}|[_?#~…\x{FFFD}` + stars + `]+)[\pL\pN]+)+|[\pL\pN]+[xX]{3,}[\pL\pN]+`)
	veilPattern   = regexp.MustCompile(`\.{2,}|-{2,}|[_?#~…\x{FFFD}` + stars + `]+|[xX]{3,}`)
)

// Letters and digits are also spelled out, as on the telephone. So many such words in a row say nothing else.
const (
	fewestDigits, fewestLetters = 6, 4
	digitWords                  = ` plus nul een twee drie vier vijf zes zeven acht negen zero oh one two three four five six seven eight nine double dubbel
 eins zwei zwo drei funf sechs sieben neun un deux trois quatre cinq sept huit neuf `
	letterWords = ` alfa alpha bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa quebec romeo sierra
 tango uniform victor whiskey xray yankee zulu anton bernard cornelis dirk eduard ferdinand gerard hendrik izaak johan karel lodewijk maria nico
 otto pieter quirinus rudolf simon teunis utrecht willem xantippe ypsilon zaandam `
)

// markSpoken marks what is spelled out.
func (v view) markSpoken(mask []bool, signs []sign, own []bool) {
	begun, count, last := 0, 0, ""
	end := func(to int) {
		if last == digitWords && count >= fewestDigits || last == letterWords && count >= fewestLetters {
			for i := v.at[signs[begun].from]; i < v.at[signs[to-1].to]; i++ {
				mask[i] = true
			}
		}
	}
	for from := 0; from < len(signs); {
		to := wordEnd(signs, from)
		words := ""
		if !own[signs[from].start] {
			words = spokenWords(signs[from:to])
		}
		if words != last {
			end(from)
			begun, count, last = from, 0, words
		}
		count++
		from = to
	}
	end(len(signs))
}

// spokenWords are those that a word is one of, "" for none.
func spokenWords(word []sign) string {
	const shortest, longest = 2, 9
	if len(word) < shortest || len(word) > longest {
		return ""
	}
	text := foldedOf(word)
	for _, words := range [...]string{digitWords, letterWords} {
		if listed(words, text) {
			return words
		}
	}
	return ""
}

// markStarred marks words some of whose letters are covered by stars. Own says where the call's domains stand.
func (v view) markStarred(mask, own []bool) {
	if bytes.ContainsAny(v.text, stars+monies) {
		v.markWhere(mask, own, starredPattern, isStarred)
	}
}

// markVeiled marks words that begin and end like a term, with signs between. Own is nil in what was decoded.
func (t terms) markVeiled(mask []bool, v view, own []bool) {
	if bytes.ContainsAny(v.text, stars+"_?#~…\uFFFDxX") || bytes.Contains(v.text, []byte("..")) || bytes.Contains(v.text, []byte("--")) {
		v.markWhere(mask, own, veiledPattern, t.isVeiled)
	}
}

func (v view) markWhere(mask, own []bool, pattern *regexp.Regexp, is func(word string) bool) {
	for _, found := range pattern.FindAllIndex(v.text, -1) {
		if (own == nil || !own[v.at[found[0]]]) && is(string(v.text[found[0]:found[1]])) {
			for i := v.at[found[0]]; i < v.at[found[1]]; i++ {
				mask[i] = true
			}
		}
	}
}

// isStarred reports that stars cover letters of a word: between others, or many on one side of it.
func isStarred(word string) bool {
	behind := strings.TrimLeft(word, stars)
	inner := strings.TrimRight(behind, stars)
	before, after := len([]rune(word))-len([]rune(behind)), len([]rune(behind))-len([]rune(inner))
	if inner == "" {
		return false
	}
	if before == 0 && after >= shortestStarred || after == 0 && before >= shortestStarred {
		return true
	}
	letters := []rune(inner)
	for i := 1; i < len(letters)-1; i++ {
		last, next := letters[i-1], letters[i+1]
		switch {
		case strings.ContainsRune(monies, letters[i]):
			if unicode.IsLetter(last) && unicode.IsLetter(next) {
				return true
			}
		case !strings.ContainsRune(stars, letters[i]):
		case unicode.IsLetter(last) || unicode.IsLetter(next) || strings.ContainsRune(stars, next):
			return true
		}
	}
	return false
}

// isVeiled reports that a term begins and ends with the letters that are left of a word.
func (t terms) isVeiled(word string) bool {
	veils := veilPattern.FindAllStringIndex(word, -1)
	if len(veils) == 0 {
		return false
	}
	front, back := []rune(spell(word[:veils[0][0]])), []rune(spell(word[veils[len(veils)-1][1]:]))
	least := shortestShown
	if veils[0][1]-veils[0][0] > 1 {
		least = shortestVeiled
	}
	if len(front) < shortestSide || len(back) < shortestSide || len(front)+len(back) < least {
		return false
	}
	if isKnown(string(front)) && isKnown(string(back)) {
		return false
	}
	slices.Reverse(back) // each term is in the tree backwards as well
	return t.leads(front) && t.leads(back)
}

func isKnown(word string) bool { return isGeneric(word) || isExplaining(word) }

// leads reports that something in the tree begins with these letters.
func (t terms) leads(letters []rune) bool {
	at := int32(0)
	for _, r := range letters {
		p, ok := t[step{at, r}]
		if !ok {
			return false
		}
		at = p.next
	}
	return true
}
