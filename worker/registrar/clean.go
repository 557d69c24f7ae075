package registrar

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxMessage bounds what is kept of the upstream's words, in bytes.
const MaxMessage = 500

// maxRead is how much of a text is cleaned at all. Words behind it do not reach the reader, and it leaves
// room for everything that cleaning takes out.
const maxRead = 8 << 10

// A text that is not read to its end loses at least minDropped bytes and then what is left of the last word. That is
// more than windowSize bytes of a secret take when they are escaped twice, and no address goes over a word break.
const (
	minDropped = 128
	wordBreaks = ` <>"'(),;:[]`
)

var (
	// An at sign makes an address, whatever stands around it, escaped or not.
	emailPattern = regexp.MustCompile(`(?i)[^\s@<>"'(),;:\[\]]+(?:@|%40|\\u0040|&#64;|&#x40;)[^\s@<>"'(),;:\[\]]+`)
	// E.164 and numbers with a trunk or exit prefix, with the usual separators.
	phonePattern = regexp.MustCompile(`(?:(?:\+|%2[Bb]) ?\d|0\d)(?:[ ()./-]{0,2}\d){7,13}`)
	// A JSON Web Token, whole or cut.
	jwtPattern    = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}`)
	bearerPattern = regexp.MustCompile(`(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}`)
	markupPattern = regexp.MustCompile(`(?is)<(?:script|style)\b.*?(?:</(?:script|style)>|$)|<[^>]*>`)
)

// clean makes the upstream's words safe to store and to show: valid UTF-8 on one line, without secrets, tokens,
// e-mail addresses, telephone numbers and the given personal terms, at most MaxMessage bytes.
func (s *scrubber) clean(text string, personal terms) string {
	if isPlainWord(text) && len(personal) == 0 && len(text) < windowSize && s.longerThan(len(text)) {
		return text
	}
	text, cut := readable(text)
	text = s.hide(text)
	if cut { // the end may be the beginning of something that only the rest would give away
		text = text[:max(0, len(text)-minDropped)]
		text = strings.TrimRight(text[:strings.LastIndexAny(text, wordBreaks)+1], " ")
	}
	if strings.Contains(text, "eyJ") {
		text = jwtPattern.ReplaceAllString(text, "[token]")
	}
	text = bearerPattern.ReplaceAllString(text, "Bearer [token]")
	if strings.ContainsAny(text, `@%\&`) {
		text = emailPattern.ReplaceAllString(text, "[e-mail]")
	}
	text = hidePhones(text)
	text = personal.hide(text)
	return bounded(text)
}

// page takes the words out of a reply that is not the documented JSON, such as a proxy's error page.
func (s *scrubber) page(body []byte, personal terms) string {
	body = body[:min(len(body), 2*maxRead)]
	return s.clean(markupPattern.ReplaceAllString(strings.ToValidUTF8(string(body), "\uFFFD"), " "), personal)
}

// longerThan reports whether every secret is longer than n bytes, so that a text of n bytes cannot hold one.
func (s *scrubber) longerThan(n int) bool {
	return !slices.ContainsFunc(s.current(), func(x needle) bool { return x.size > 0 && x.size <= n })
}

func isPlainWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// readable puts text on one line of printable runes and reports whether it had to leave the end out.
func readable(text string) (line string, cut bool) {
	if len(text) > maxRead {
		text, cut = text[:maxRead], true
	}
	var b strings.Builder
	b.Grow(len(text))
	space := false
	for _, r := range text { // an invalid byte comes as U+FFFD
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
		case unicode.IsPrint(r): // leaves out control and direction characters, which forge lines
			if space {
				b.WriteByte(' ')
				space = false
			}
			b.WriteRune(r)
		}
	}
	return b.String(), cut
}

func hidePhones(text string) string {
	if !strings.ContainsAny(text, "0123456789") {
		return text
	}
	var b strings.Builder
	end := 0
	whole := []byte(text)
	for _, at := range phonePattern.FindAllStringIndex(text, -1) {
		// A date, an identifier or an address in a network also begins with a zero at times.
		if text[at[0]] == '0' && (wordBefore(whole[:at[0]], ".-_") || wordAfter(whole[at[1]:])) {
			continue
		}
		b.WriteString(text[end:at[0]])
		b.WriteString("[phone]")
		end = at[1]
	}
	b.WriteString(text[end:])
	return b.String()
}

// terms find what the caller knows to be personal.
type terms []*regexp.Regexp

// hide replaces it wherever it stands as a word of its own: in upper or lower case, with or without its spaces, and escaped
// in the ways in which secrets are looked for.
func (t terms) hide(text string) string {
	if len(t) == 0 {
		return text
	}
	text = norm.NFC.String(text)
	mask := make([]bool, len(text))
	v := newView(text)
	for range escapeLevels {
		for _, p := range t {
			v.markWords(mask, p)
		}
		next, changed := v.unescape()
		if !changed {
			break
		}
		v = next
	}
	return redact(text, mask, "[personal]")
}

// newTerms leaves out terms that are too short to tell anybody apart, and whose hiding would blot out ordinary text.
func newTerms(personal []string) terms {
	const shortest = 2 // letters and digits
	var patterns terms
	for _, term := range personal {
		term, _ = readable(norm.NFC.String(term))
		telling := 0
		for _, r := range term {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				telling++
			}
		}
		if telling < shortest {
			continue
		}
		words := strings.Fields(term)
		for i, w := range words {
			words[i] = regexp.QuoteMeta(w)
		}
		patterns = append(patterns, regexp.MustCompile(`(?i)`+strings.Join(words, `[ +]?`)))
	}
	return patterns
}

// markWords marks what a pattern finds, unless it is only a part of a word.
func (v view) markWords(mask []bool, pattern *regexp.Regexp) {
	for _, at := range pattern.FindAllIndex(v.text, -1) {
		if wordBefore(v.text[:at[0]], "") || wordAfter(v.text[at[1]:]) {
			continue
		}
		for i := v.at[at[0]]; i < v.at[at[1]]; i++ {
			mask[i] = true
		}
	}
}

func wordBefore(s []byte, also string) bool {
	r, size := utf8.DecodeLastRune(s)
	return size > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(also, r))
}

func wordAfter(s []byte) bool {
	r, size := utf8.DecodeRune(s)
	return size > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// bounded cuts at a rune boundary.
func bounded(text string) string {
	const ellipsis = "…"
	if len(text) <= MaxMessage {
		return text
	}
	end := MaxMessage - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
