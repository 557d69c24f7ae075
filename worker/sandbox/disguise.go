package sandbox

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
)

// disguisedSpellings look like nothing of the details: they are in another script or encoding, backwards, or come with something in
// between.
func disguisedSpellings() []Spelling {
	return []Spelling{
		each("tags inside", func(s string) string { return inTheMiddle(s, "<b>", "</b>") }),
		each("escaped tags inside", func(s string) string { return inTheMiddle(s, "&lt;em&gt;", "&lt;/em&gt;") }),
		each("a comment inside", func(s string) string { return inTheMiddle(s, "<!-- x -->", "") }),
		each("a bulletin board's tags inside", func(s string) string { return inTheMiddle(s, "[b]", "[/b]") }),
		{"backwards", names(backwards)},
		{"backwards in capitals", names(func(s string) string { return strings.ToUpper(backwards(s)) })},
		{"utf-7", names(func(s string) string { return utf7(s, func(r rune) bool { return r > unicode.MaxASCII }) })},
		{"utf-7 of all", names(func(s string) string { return utf7(s, unicode.IsLetter) })},
		{"base32", names(func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) })},
		{"cyrillic", names(cyrillic)},
		{"greek", names(greek)},
		{"half an alphabet on", names(func(s string) string { return strings.Map(halfOn, withoutMarks(s)) })},
		{"host of mail", func(h Holder) []string {
			_, host, _ := strings.Cut(h.Email, "@")
			return []string{host}
		}},
	}
}

// names writes a holder's names and street in a way.
func names(write func(string) string) func(Holder) []string {
	return func(h Holder) []string { return []string{write(h.Firstname), write(h.Lastname), write(h.Street)} }
}

// numberedSpellings have numbers in the place of letters, or more than the letters.
func numberedSpellings() []Spelling {
	numbers := func(format, between string) func(Holder) []string {
		return names(func(s string) string {
			var all []string
			for _, r := range s {
				all = append(all, fmt.Sprintf(format, r))
			}
			return strings.Join(all, between)
		})
	}
	return []Spelling{
		{"numbers in unicode", numbers("U+%04X", " ")},
		{"decimal numbers", numbers("%d", ";")},
		{"octal numbers", numbers("%03o", " ")},
		{"binary numbers", numbers("%08b", " ")},
		{"calls", numbers("chr(%d)", " + ")},
		{"style sheets", numbers(`\%06x`, " ")},
		{"plural", names(func(s string) string { return s + "s" })},
		each("many signs inside", func(s string) string { return inTheMiddle(s, `\"||\"`, "") }),
		{"small capitals", names(smallCapitals)},
		{"braced numbers", numbers(`\x{%x}`, "")},
		{"words of mail", names(wordsOfMail)},
		{"stars", names(starred)},
		{"places in the alphabet", names(placed)},
	}
}

// wordsOfMail are two words as headers have them, of which neither is the whole.
func wordsOfMail(s string) string {
	half := len(s) / 2
	word := func(part string) string { return "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(part)) + "?=" }
	return word(s[:half]) + " " + word(s[half:])
}

// starred leaves the first two letters and the last two.
func starred(s string) string {
	letters := []rune(s)
	return string(letters[:min(2, len(letters))]) + "***" + string(letters[max(0, len(letters)-2):])
}

// placed has the places of letters in the alphabet.
func placed(s string) string {
	var all []string
	for _, r := range strings.ToLower(withoutMarks(s)) {
		if r >= 'a' && r <= 'z' {
			all = append(all, fmt.Sprint(r-'a'+1))
		}
	}
	return strings.Join(all, "-")
}

func smallCapitals(s string) string {
	small := []rune("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return small[r-'a']
		}
		return r
	}, strings.ToLower(withoutMarks(s)))
}

// inTheMiddle puts something around the middle of each word that is long enough.
func inTheMiddle(s, before, after string) string {
	words := strings.Split(s, " ")
	for i, word := range words {
		if letters := []rune(word); len(letters) > 3 {
			words[i] = string(letters[:2]) + before + string(letters[2:len(letters)-1]) + after + string(letters[len(letters)-1])
		}
	}
	return strings.Join(words, " ")
}

func backwards(s string) string {
	letters := []rune(s)
	slices.Reverse(letters)
	return string(letters)
}

// utf7 writes the letters that it is told to in UTF-7.
func utf7(s string, encoded func(rune) bool) string {
	var b strings.Builder
	letters := []rune(s)
	for len(letters) > 0 {
		n := slices.IndexFunc(letters, func(r rune) bool { return !encoded(r) })
		if n < 0 {
			n = len(letters)
		}
		if n == 0 {
			b.WriteRune(letters[0])
			letters = letters[1:]
			continue
		}
		var raw []byte
		for _, unit := range utf16.Encode(letters[:n]) {
			raw = append(raw, byte(unit>>8), byte(unit))
		}
		b.WriteString("+" + base64.RawStdEncoding.EncodeToString(raw) + "-")
		letters = letters[n:]
	}
	return b.String()
}

func cyrillic(s string) string {
	return transliterated(s, []rune("абцдефгхийклмнопкрстувввиз"))
}

func greek(s string) string {
	return transliterated(s, []rune("αβκδεφγχιικλμνοπκρστυβωξυζ"))
}

// transliterated writes the letters of a name in those of another alphabet.
func transliterated(s string, alphabet []rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return alphabet[r-'a']
		case r >= 'A' && r <= 'Z':
			return unicode.ToUpper(alphabet[r-'A'])
		}
		return r
	}, withoutMarks(s))
}

// halfOn is the letter half an alphabet further on.
func halfOn(r rune) rune {
	const letters, half = 26, 13
	switch {
	case r >= 'a' && r <= 'z':
		return 'a' + (r-'a'+half)%letters
	case r >= 'A' && r <= 'Z':
		return 'A' + (r-'A'+half)%letters
	}
	return r
}
