package registrar

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// hole stands in a folded text for letters that got lost on their way: a replacement character, or question marks.
const hole = utf8.RuneError

// sign is one letter, digit or hole of a folded text. What stands between them is left out, and noted as a gap.
type sign struct {
	r          rune
	from, to   int  // where it stands in the view
	gap        int  // runes that are none, before it
	spaced     bool // a space is among them
	upper      bool // it was a capital
	start, end int  // where it stands in the original
}

// fold reads a view as if it had no marks, no capitals and nothing but letters and digits.
func (v view) fold() []sign {
	signs := make([]sign, 0, len(v.text))
	var gap int
	var spaced bool
	for i := 0; i < len(v.text); {
		r, size := utf8.DecodeRune(v.text[i:])
		if r == utf8.RuneError && size == 1 { // a byte of another encoding
			r = charmap.Windows1252.DecodeByte(v.text[i])
		}
		to := i + size
		if r == '?' && v.isHole(i, gap == 0 && len(signs) > 0) {
			r = hole
		}
		switch kind := kindOf(r); {
		case kind == ignored:
			if n := len(signs); n > 0 && gap == 0 {
				signs[n-1].to, signs[n-1].end = to, v.at[to]
			}
		case kind == separating, r == 'Â' && v.wasSpace(to, gap == 0 && len(signs) > 0 && signs[len(signs)-1].upper):
			gap, spaced = gap+1, spaced || unicode.IsSpace(r)
		case r == hole && gap == 0 && len(signs) > 0 && signs[len(signs)-1].r == hole:
			signs[len(signs)-1].to, signs[len(signs)-1].end = to, v.at[to]
		default:
			for _, letter := range foldRune(r) {
				signs = append(signs, sign{letter, i, to, gap, spaced, unicode.IsUpper(r), v.at[i], v.at[to]})
				gap, spaced = 0, false
			}
		}
		i = to
	}
	return signs
}

// isHole reports whether a question mark stands for a letter: there is one before it or behind it.
func (v view) isHole(at int, inWord bool) bool {
	if inWord {
		return true
	}
	next, size := utf8.DecodeRune(v.text[at+1:])
	return size > 0 && kindOf(next) == telling
}

// wasSpace reports that a letter, which ends before a space and not in capitals, is half of a space that was read in another encoding.
func (v view) wasSpace(end int, inCapitals bool) bool {
	return !inCapitals && end < len(v.text) && v.text[end] == ' '
}

type runeKind int

const (
	telling    runeKind = iota // a letter, a digit or a hole
	separating                 // anything else that is seen
	ignored                    // marks, and what is not seen at all
)

func kindOf(r rune) runeKind {
	switch {
	case r < utf8.RuneSelf:
		if r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' {
			return telling
		}
		if r < ' ' && !unicode.IsSpace(r) || r == 0x7f {
			return ignored
		}
		return separating
	case isModifier(r):
		return separating
	case isFiller(r):
		return ignored
	case isBraille(r):
		return telling
	case r == hole, unicode.IsLetter(r), unicode.IsDigit(r):
		return telling
	case unicode.In(r, unicode.Mn, unicode.Cf) || unicode.IsControl(r) && !unicode.IsSpace(r):
		return ignored
	}
	if len(foldRune(r)) > 0 { // such as a Roman numeral, or a letter in a circle
		return telling
	}
	return separating
}

// isModifier knows signs that Unicode takes for letters, such as the apostrophe ʼ.
func isModifier(r rune) bool {
	return r >= 'ʹ' && r <= '˟' || r == 'ˬ' || r == 'ˮ'
}

// isFiller knows letters that nobody sees: those of Hangul that stand where one is missing.
func isFiller(r rune) bool {
	return r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
}

// isBraille knows the letters of the blind, which Unicode takes for none.
func isBraille(r rune) bool { return r >= '\u2800' && r <= '\u28ff' }

// foldRune is what a rune is without marks and capitals, as letters and digits.
func foldRune(r rune) []rune {
	if r < utf8.RuneSelf {
		return []rune{unicode.ToLower(r)}
	}
	if plain := plainLetter(r); plain != "" {
		return []rune(plain)
	}
	if r == hole || isBraille(r) {
		return []rune{r}
	}
	var folded []rune
	for _, part := range norm.NFKD.String(string(r)) {
		switch {
		case unicode.IsDigit(part):
			folded = append(folded, plainDigit(part))
		case unicode.IsLetter(part):
			folded = append(folded, unicode.ToLower(part))
		}
	}
	return folded
}

// plainDigit is a digit of any script, whose ten stand in a row, as that of ASCII.
func plainDigit(r rune) rune {
	value := rune(0)
	for unicode.IsDigit(r - value - 1) {
		value++
	}
	return '0' + value%10
}

// plainLetter spells letters that Unicode does not take for others with marks.
func plainLetter(r rune) string {
	switch r {
	case 'ß', 'ẞ':
		return "ss"
	case 'æ', 'Æ':
		return "ae"
	case 'œ', 'Œ':
		return "oe"
	case 'ø', 'Ø':
		return "o"
	case 'ł', 'Ł':
		return "l"
	case 'đ', 'Đ', 'ð', 'Ð':
		return "d"
	case 'þ', 'Þ':
		return "th"
	case 'ħ', 'Ħ':
		return "h"
	case 'ŧ', 'Ŧ':
		return "t"
	case 'ŋ', 'Ŋ':
		return "n"
	case 'ı':
		return "i"
	case 'ς': // as a word ends; in capitals it is a σ
		return "σ"
	}
	return drawnLetter(r)
}

// drawnLetter knows letters that Unicode keeps apart for how they are drawn: small capitals, those on black, those of flags, those with
// hooks and strokes or upside down, and others that look like an ASCII letter.
func drawnLetter(r rune) string {
	const (
		small  = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢɡɑȷɩʋ"
		letter = "abcdefghijklmnopqrstuvwyzgajiv"
		abc    = "abcdefghijklmnopqrstuvwxyz"

		struck, ofStruck   = "ⱥƀȼɇǥɨɉꝁᵽꝗɍʉꝟɏƶɫꞓꞡꞣꞥ", "abcegijkpqruvyzlcgkn"
		hooked, ofHooked   = "ɓƈɗɖƒɠɦƙɱɲɳƥʠɽʂƭʈⱳƴʐȥɭʄɕȡȵ", "bcddfghkmnnpqrsttwyzzljcdn"
		turning, ofTurning = "ɐɒɔəǝɛɟƃɥᴉɪɾʞꞁɯɹʇʌʍʎƨ", "aaoeeefghiijklmrtvwys"
	)
	for _, first := range [...]rune{'🅐', '🅰', '🇦'} {
		if r >= first && r < first+rune(len(abc)) {
			return abc[r-first : r-first+1]
		}
	}
	for _, drawn := range [...][2]string{{small, letter}, {struck, ofStruck}, {hooked, ofHooked}, {turning, ofTurning}} {
		if at := strings.IndexRune(drawn[0], unicode.ToLower(r)); at >= 0 {
			at = utf8.RuneCountInString(drawn[0][:at])
			return drawn[1][at : at+1]
		}
	}
	return ""
}

// spell is a folded text alone.
func spell(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	lost := false // the letter before was
	for _, r := range text {
		kind := kindOf(r)
		if lost = lost && kind != separating; kind != telling || r == hole && lost {
			continue
		}
		lost = r == hole
		if r < utf8.RuneSelf {
			b.WriteRune(unicode.ToLower(r))
			continue
		}
		for _, letter := range foldRune(r) {
			b.WriteRune(letter)
		}
	}
	return b.String()
}
