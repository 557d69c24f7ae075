package registrar

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// spellings are the ways in which a term is met once it is folded: without marks, with an e for the two dots or without
// it, and with what is left where letters got lost.
func spellings(term, folded string) []string {
	all := []string{folded}
	add := func(spelling string, shortest int) {
		if len(spelling) >= shortest && !slices.Contains(all, spelling) {
			all = append(all, spelling)
		}
	}
	add(withoutUmlautE(folded), shortestApart)
	for _, sound := range usualSounds() {
		for _, spelling := range all[:min(len(all), 2)] {
			if strings.Contains(spelling, sound.written) {
				add(strings.ReplaceAll(spelling, sound.written, sound.also), shortestTerm+1)
			}
		}
	}
	for _, look := range [...]sound{{"l", "i"}, {"m", "rn"}, {"w", "vv"}} { // a capital i looks like an l
		if strings.Contains(folded, look.written) && isWord(term) {
			add(strings.ReplaceAll(folded, look.written, look.also), shortestApart)
		}
	}
	if isASCII(term) {
		return all
	}
	for _, letter := range [...]func(rune) string{german, nordic, func(r rune) string { return german(r) + nordic(r) }, sounding, lookalike} {
		add(spell(rewritten(term, letter)), shortestTerm)
	}
	if strings.ContainsAny(term, "ßẞ") { // it is read as a b, too
		for _, sharp := range [...]string{"s", "b"} {
			simple := strings.NewReplacer("ß", sharp, "ẞ", sharp).Replace(term)
			add(spell(simple), shortestDotted)
			add(spell(rewritten(simple, german)), shortestDotted)
		}
	}
	add(spell(strings.Map(asciiOr(-1), term)), shortestDotted)
	add(spell(strings.Map(asciiOr(hole), term)), shortestDotted)
	// What is read in the last three cannot be told from what is read in others.
	for _, read := range [...]*charmap.Charmap{charmap.ISO8859_1, charmap.Windows1250, charmap.ISO8859_2, charmap.ISO8859_15} {
		add(spell(mangled(term, read)), shortestDotted)
	}
	add(spell(slashless(term)), shortestDotted)
	western := [...]*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1}
	for _, other := range [...]*charmap.Charmap{charmap.CodePage850, charmap.CodePage437, charmap.CodePage852, charmap.Macintosh, charmap.Windows1251, charmap.CodePage866, charmap.KOI8R} {
		add(spell(misread(term, charmap.Windows1252, other)), shortestDotted)
		for _, as := range western {
			add(spell(misread(term, other, as)), shortestDotted)
		}
	}
	// Letters of these are written in the West more often than the other way round.
	for _, other := range [...]*charmap.Charmap{charmap.Windows1254, charmap.Windows1250, charmap.ISO8859_2, charmap.Windows1257} {
		for _, as := range western {
			add(spell(misread(term, other, as)), shortestDotted)
		}
	}
	if strings.ContainsAny(term, "ıİşŞğĞ") {
		add(spell(misread(strings.ToUpperSpecial(unicode.TurkishCase, term), charmap.Windows1254, charmap.Windows1252)), shortestDotted)
	}
	return all
}

// misread is what was written in one encoding of a byte a letter and read in another. What the first has no letter for is left out.
func misread(term string, written, read *charmap.Charmap) string {
	return strings.Map(func(r rune) rune {
		c, ok := written.EncodeRune(r)
		if !ok {
			return -1
		}
		return read.DecodeByte(c)
	}, term)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// withoutUmlautE reads ae, oe and ue as the letters with two dots that they may stand for.
func withoutUmlautE(folded string) string {
	if !strings.Contains(folded, "ae") && !strings.Contains(folded, "oe") && !strings.Contains(folded, "ue") {
		return folded
	}
	var b strings.Builder
	for i := range len(folded) {
		if folded[i] != 'e' || i == 0 || !strings.ContainsRune("aou", rune(folded[i-1])) {
			b.WriteByte(folded[i])
		}
	}
	return b.String()
}

// rewritten puts other letters in the place of those for which there are any.
func rewritten(term string, letters func(rune) string) string {
	var b strings.Builder
	for _, r := range term {
		if other := letters(unicode.ToLower(r)); other != "" {
			b.WriteString(other)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// sound is what is written in two ways, as the Dutch ij and y are.
type sound struct{ written, also string }

func usualSounds() []sound { return []sound{{"ij", "y"}, {"y", "ij"}, {"dj", "d"}} }

// sounding spells letters by their sound.
func sounding(r rune) string {
	switch r {
	case 'đ':
		return "dj"
	case 'ð':
		return "th"
	}
	return german(r) + nordic(r)
}

func german(r rune) string {
	switch r {
	case 'ä':
		return "ae"
	case 'ö':
		return "oe"
	case 'ü':
		return "ue"
	}
	return ""
}

func nordic(r rune) string {
	switch r {
	case 'å':
		return "aa"
	case 'ø':
		return "oe"
	}
	return ""
}

// lookalike is what somebody takes a letter for who does not know it.
func lookalike(r rune) string {
	switch r {
	case 'ð', 'đ':
		return "o"
	case 'þ':
		return "p"
	}
	return ""
}

// asciiOr puts one rune in the place of letters that are not ASCII; -1 leaves them out.
func asciiOr(other rune) func(rune) rune {
	return func(r rune) rune {
		if r >= utf8.RuneSelf && unicode.IsLetter(r) {
			return other
		}
		return r
	}
}

// mangled is UTF-8 read in another encoding, of which what cannot be printed got lost.
func mangled(term string, read *charmap.Charmap) string {
	var b strings.Builder
	for _, c := range []byte(term) {
		if r := read.DecodeByte(c); unicode.IsPrint(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// slashless is JSON whose backslashes somebody took out.
func slashless(term string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, r := range term {
		if r < utf8.RuneSelf || r > 0xFFFF {
			b.WriteRune(r)
			continue
		}
		b.WriteByte('u')
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(digits[r>>shift&15])
		}
	}
	return b.String()
}
