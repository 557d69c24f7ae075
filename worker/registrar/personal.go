package registrar

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// personal lists what must not show in the upstream's words, and the parts of it that give it away. House number and country
// tell nobody apart.
func (h Holder) personal() []string {
	all := []string{
		h.Email, h.Street, h.Company, h.FirstName, h.LastName,
		h.Phone, strings.TrimPrefix(h.Phone, "+"), spacedCode(h.PostalCode), h.City,
	}
	if h.FirstName != "" && h.LastName != "" {
		all = append(all, h.FirstName+" "+h.LastName, h.LastName+", "+h.FirstName)
	}
	all = append(all, familySpellings(h.FirstName, h.LastName)...)
	all = append(all, addressSpellings(h.Email)...)
	all = append(all, hostSpellings(h.Email)...)
	all = append(all, numberSpellings(h.Phone)...)
	all = append(all, streetParts(h.Street)...)
	for _, name := range []string{h.Company, h.FirstName, h.LastName, h.City} {
		all = append(all, tellingWords(name)...)
	}
	return all
}

// personalOf makes the terms of several holders, many of whom may be the same, when they are first asked for. Names of the
// domains that a call is about stay readable.
func personalOf(holders []Holder, domains ...string) func() terms {
	return sync.OnceValue(func() terms {
		var all, long []string
		seen := map[Holder]bool{{}: true}
		for _, h := range holders {
			if !seen[h] {
				seen[h] = true
				all, long = append(all, h.personal()...), append(long, h.longNames()...)
			}
		}
		t := newTerms(all)
		t.allowInside(long)
		t = t.sparing(spelledDomains(domains))
		if slices.ContainsFunc(all, isForeignText) {
			t.set(unknownWords, 0)
		}
		return t
	})
}

// spelledDomains are domains as they are sent, and as people read them.
func spelledDomains(domains []string) []string {
	all := slices.Clone(domains)
	for _, domain := range domains {
		if read, err := idna.ToUnicode(domain); err == nil && read != domain {
			all = append(all, read)
		}
	}
	return all
}

// spacedCode puts a space wherever a postal code may have one: between its digits and its letters.
func spacedCode(code string) string {
	var b strings.Builder
	var last rune
	for _, r := range code {
		if unicode.IsDigit(r) != unicode.IsDigit(last) && last != 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// addressSpellings are an e-mail address with its signs spelled out, and the part before its at sign.
func addressSpellings(address string) []string {
	local, host, found := strings.Cut(address, "@")
	if !found {
		return nil
	}
	var all []string
	for _, at := range []string{" at ", " apenstaartje ", " "} {
		for _, dot := range []string{".", " dot ", " punt "} {
			spelled := strings.ReplaceAll(host, ".", dot)
			all = append(all, local+at+spelled)
			if dot != "." && strings.Contains(local, ".") {
				all = append(all, strings.ReplaceAll(local, ".", dot)+at+spelled)
			}
		}
	}
	if letters := utf8.RuneCountInString(spell(local)); letters >= shortestDotted+1 && !isGeneric(local) {
		all = append(all, local)
	}
	return all
}

// shortestSubscriber is how many digits a number has at least that is dialled without its area code.
const shortestSubscriber = 6

// numberSpellings are an E.164 number as it is dialled from elsewhere, in its country, and in its area.
func numberSpellings(phone string) []string {
	digits := strings.TrimPrefix(phone, "+")
	if len(digits) <= maxCallingCode+shortestSubscriber || strings.Trim(digits, "0123456789") != "" {
		return nil
	}
	code := digits[:callingCode(digits)]
	national := digits[len(code):]
	all := []string{"00" + digits, "011" + digits, code + "0" + national, "00" + code + "0" + national, "0" + national, national}
	for n := shortestSubscriber; n < len(digits); n++ { // something may have been taken off, such as an address just before it
		all = append(all, digits[len(digits)-n:])
	}
	return all
}

const maxCallingCode = 3

// callingCode is how many digits of an international number are its country's. Codes of two digits are listed, those that
// begin with 1 and 7 are these digits alone, and all others have three.
func callingCode(digits string) int {
	const two = " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "
	switch {
	case digits[0] == '1', digits[0] == '7':
		return 1
	case strings.Contains(two, " "+digits[:2]+" "):
		return 2
	}
	return maxCallingCode
}

// tellingWords are the words of a detail that tell somebody apart also when they stand alone, and what is left of long ones
// where a field was too short for them.
func tellingWords(detail string) []string {
	var all []string
	words := strings.FieldsFunc(detail, func(r rune) bool { return kindOf(r) == separating && !strings.ContainsRune(apostrophes, r) })
	for _, word := range words {
		if utf8.RuneCountInString(spell(word)) < shortestDotted || isGeneric(word) {
			continue
		}
		if len(words) > 1 {
			all = append(all, word)
		}
		if _, rest, found := cutApostrophe(word); found && utf8.RuneCountInString(spell(rest)) > shortestDotted && !isGeneric(rest) {
			all = append(all, rest)
		}
		all = append(all, beginnings(word, 9, 7, 7)...)
	}
	return all
}

// familySpellings are parts of a last name of several words, which are often written as one, and what names of accounts are
// made of: the last name, or a part or a word of it, with a first name or the initials before it or behind it.
func familySpellings(first, last string) []string {
	words := strings.FieldsFunc(last, isSign)
	words = words[:min(len(words), longestFamily)]
	var parts []string
	for from := range words {
		for to := from + 2; to <= len(words) && to-from < len(words); to++ {
			if !isGeneric(words[to-1]) {
				parts = append(parts, strings.Join(words[from:to], " "))
			}
		}
	}
	if short := shortFamily(words); short != "" {
		parts = append(parts, short)
	}
	all, initials := slices.Clone(parts), ""
	parts = slices.DeleteFunc(append(append(parts, last), words...), func(part string) bool {
		return utf8.RuneCountInString(spell(part)) < shortestDotted || isGeneric(part)
	})
	for _, word := range strings.FieldsFunc(first, isSign) {
		letter, size := utf8.DecodeRuneInString(word)
		if initials += word[:size]; letter == utf8.RuneError {
			break
		}
		for _, part := range parts {
			all = append(all, initials+" "+part, part+" "+initials, word+" "+part, part+" "+word)
		}
	}
	return all
}

// shortFamily is a last name with the first letters alone of what stands before it, as vd Berg is van den Berg; "" where nothing
// does.
func shortFamily(words []string) string {
	short := ""
	for i, word := range words {
		if !isGeneric(word) {
			if i == 0 {
				return ""
			}
			return short + " " + strings.Join(words[i:], " ")
		}
		_, size := utf8.DecodeRuneInString(word)
		short += word[:size]
	}
	return ""
}

// longestFamily bounds how many words of a last name are looked at.
const longestFamily = 6

const apostrophes = "'’ʼ"

// cutApostrophe parts 's-Hertogenbosch, d'Angelo and the like.
func cutApostrophe(word string) (before, after string, found bool) {
	i := strings.IndexAny(word, apostrophes)
	if i < 0 {
		return word, "", false
	}
	_, size := utf8.DecodeRuneInString(word[i:])
	return word[:i], word[i+size:], true
}

// beginnings are those of a word of at least long letters, down to shortest letters and to tenths of the word.
func beginnings(word string, long, shortest, tenths int) []string {
	letters := []rune(word)
	if len(letters) < long {
		return nil
	}
	var all []string
	for n := max(shortest, (len(letters)*tenths+9)/10); n < len(letters); n++ {
		if cut := string(letters[:n]); !isGeneric(cut) && !isOrdinary(spell(cut)) {
			all = append(all, cut)
		}
	}
	return all
}

// streetParts are the telling words of a street: whole, shortened, cut short, and without what all streets are called.
func streetParts(street string) []string {
	all := tellingWords(street)
	for _, word := range strings.FieldsFunc(street, func(r rune) bool { return kindOf(r) == separating }) {
		all = append(all, beginnings(word, 8, 6, 6)...)
		folded := strings.ToLower(word)
		for _, end := range streetEndings() {
			base, found := strings.CutSuffix(folded, end.whole)
			if !found || base == "" {
				continue
			}
			all = append(all, base+end.short)
			if utf8.RuneCountInString(base) > shortestDotted && !isGeneric(base) {
				all = append(all, base)
			}
		}
	}
	if whole, found := strings.CutSuffix(strings.ToLower(street), "straat"); found {
		all = append(all, whole+"str")
	}
	return all
}

type streetEnding struct{ whole, short string }

func streetEndings() []streetEnding {
	return []streetEnding{
		{"straat", "str"}, {"straße", "str"}, {"strasse", "str"}, {"laan", "ln"}, {"weg", "wg"}, {"plein", "pln"},
		{"kade", "kd"}, {"gracht", "gr"}, {"dreef", "dr"}, {"steenweg", "stwg"}, {"dijk", "dk"}, {"street", "st"}, {"road", "rd"},
	}
}
