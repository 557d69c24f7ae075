package registrar

import (
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// disguises are a term read backwards, upside down, and with each letter of half an alphabet further on. They look like any other word.
func disguises(term, folded string) []string {
	const shortest = 3
	var all []string
	add := func(spelling string) {
		if utf8.RuneCountInString(spelling) >= shortest && spelling != folded && !isGeneric(spelling) && !slices.Contains(all, spelling) {
			all = append(all, spelling)
		}
	}
	straight := spellings(term, folded)
	for _, spelling := range straight[:min(len(straight), 3)] { // the others are no words any more
		letters := []rune(spelling)
		slices.Reverse(letters)
		add(string(letters))
		if isWord(term) {
			add(upsideDown(string(letters)))
		}
	}
	if utf8.RuneCountInString(folded) > shortestDotted {
		add(strings.Map(turned, folded))
		add(spell(strings.Map(turned, strings.ToLower(term)))) // its letters with marks stay as they are
	}
	return all
}

// upsideDown puts in the place of each letter the one that it is for somebody who turns the page, as the others are folded.
func upsideDown(folded string) string {
	return strings.NewReplacer("b", "q", "q", "b", "d", "p", "p", "d", "n", "u", "u", "n", "c", "o").Replace(folded)
}

// turned is ROT13.
func turned(r rune) rune {
	const letters, half = 26, 13
	if r < 'a' || r > 'z' {
		return r
	}
	return 'a' + (r-'a'+half)%letters
}

// isForeignText reports that a text has letters of another script than the Latin one.
func isForeignText(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) && r != 'µ' })
}

// fromBase32 are the texts that a run of letters may hold in one of the alphabets of base32.
func fromBase32(run []byte) []string {
	var texts []string
	letters := strings.ToUpper(string(run))
	for _, encoding := range [...]*base32.Encoding{base32.StdEncoding, base32.HexEncoding} {
		for from := range min(len(letters), 3) { // something may stand before it
			whole := letters[from:]
			decoded := make([]byte, base32.StdEncoding.DecodedLen(len(whole))+8)
			n, _ := encoding.WithPadding(base32.NoPadding).Decode(decoded, []byte(whole)) // what is no letter of it ends it
			texts = append(texts, wholeTexts(decoded[:n])...)
		}
	}
	return texts
}

// unescapeUTF7 knows letters in UTF-7: +AOs- is ë. What would be letters of scripts in which no names are looked for is none.
func unescapeUTF7(b []byte) ([]byte, int) {
	const (
		longest, shortest                 = 64, 3
		hebrew, latinExtended, endOfGreek = 0x590, 0x1E00, 0x1FFF
	)
	end := 1
	for end < len(b) && end <= longest && (b[end] == '+' || b[end] == '/' || b[end] == ',' || b[end] >= '0' && b[end] <= '9' || b[end]|0x20 >= 'a' && b[end]|0x20 <= 'z') {
		end++
	}
	letters := strings.ReplaceAll(string(b[1:end]), ",", "/")
	if len(letters) < shortest {
		return nil, 0
	}
	raw, err := base64.RawStdEncoding.DecodeString(letters)
	if err != nil || len(raw)%2 != 0 {
		return nil, 0
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	var text []byte
	for _, r := range utf16.Decode(units) {
		if r < ' ' || r >= hebrew && (r < latinExtended || r > endOfGreek) {
			return nil, 0
		}
		text = utf8.AppendRune(text, r)
	}
	if end < len(b) && b[end] == '-' {
		end++
	}
	return text, end
}
