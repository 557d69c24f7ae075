package registrar

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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
	// An at sign makes an address, whatever stands around it, escaped or not, and so does one that is spelled out.
	emailPattern = regexp.MustCompile(`(?i)[^\s@＠﹫<>"'(),;:\[\]{}]+(?:@|＠|﹫|%(?:25)*40|\\u0040|\\x40|=40[A-Za-z]|&(?:amp;)*(?:#0*64|#x0*40|commat);)[^\s@<>"'(),;:\[\]{}]+` +
		`|[^\s@<>"'(),;:\[\]{}]+ ?[(\[{<] ?at ?[)\]}>] ?[^\s@<>"'(),;:\[\]{}]+`)
	// E.164 and numbers with a trunk or exit prefix, with the usual separators.
	phonePattern = regexp.MustCompile(`(?:(?:\+|%2[Bb]) ?\d|0\d)(?:[ ()./-]{0,2}\d){7,13}`)
	// A JSON Web Token, whole or cut.
	jwtPattern    = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}`)
	bearerPattern = regexp.MustCompile(`(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}`)
	markupPattern = regexp.MustCompile(`(?is)<(?:script|style)\b.*?(?:</(?:script|style)>|$)|<[^>]*>`)
)

// Cleaner makes what an upstream says safe to store and to show, for a client of another upstream: see Client's own words. It may
// be used concurrently.
type Cleaner struct{ scrub *scrubber }

// NewCleaner hides these secrets. One that is shorter than what is hidden in parts is left out: it may as well be a word.
func NewCleaner(secrets ...Secret) *Cleaner { return &Cleaner{newScrubber("", secrets...)} }

// Hide hides one more secret, beside the last few that it was told of. Call it before the secret is used.
func (c *Cleaner) Hide(secret Secret) { c.scrub.addToken(secret) }

// Clean gives a text on one line of at most MaxMessage bytes, without secrets, tokens, e-mail addresses, telephone numbers, and
// what is known of the people that the call is about.
func (c *Cleaner) Clean(text string, about ...Holder) string {
	return c.scrub.clean(text, personalOf(about)())
}

// Page takes the words out of a reply that is not the documented JSON, such as a proxy's error page, and cleans them.
func (c *Cleaner) Page(body []byte, about ...Holder) string {
	return c.scrub.page(body, personalOf(about)())
}

// clean makes the upstream's words safe to store and to show: valid UTF-8 on one line, without secrets, tokens,
// e-mail addresses, telephone numbers and the given personal terms, at most MaxMessage bytes.
func (s *scrubber) clean(text string, personal terms) string {
	return s.cleanPart(text, personal, false)
}

// cleanPart is clean for a text whose end may have been left out already.
func (s *scrubber) cleanPart(text string, personal terms, cut bool) string {
	if !cut && isPlainWord(text) && (len(personal) == 0 || isOrdinary(strings.ToLower(text))) && len(text) < windowSize && s.longerThan(len(text)) {
		return text
	}
	text, long := readable(text)
	if strings.Contains(text, "eyJ") { // before its beginning, which all tokens share, is taken for one of ours
		text = jwtPattern.ReplaceAllString(text, "[token]")
	}
	text = s.hide(text)
	if cut || long { // the end may be the beginning of something that only the rest would give away
		text = text[:max(0, len(text)-minDropped)]
		text = strings.TrimRight(text[:strings.LastIndexAny(text, wordBreaks)+1], " ")
	}
	text = bearerPattern.ReplaceAllString(text, "Bearer [token]")
	if strings.ContainsAny(text, "@＠﹫%\\&=([{<") {
		text = emailPattern.ReplaceAllString(text, "[e-mail]")
	}
	text = hidePhones(text)
	text = personal.hide(text)
	return bounded(text)
}

// domains are the names that a call is about, in lower case.
type domains map[string]struct{}

func domainsOf(names []string) domains {
	d := make(domains, len(names))
	for _, name := range names {
		d[strings.ToLower(name)] = struct{}{}
	}
	return d
}

// cleanDomain cleans what stands in the place of a domain that the call is not about.
func (c *Client) cleanDomain(name string, asked domains, hidden func() terms) string {
	if _, ok := asked[strings.ToLower(name)]; ok || len(asked) == 0 {
		return name
	}
	return c.cleanLazily(name, hidden)
}

// cleanLazily is clean with terms that are not made before they are needed.
func (c *Client) cleanLazily(text string, hidden func() terms) string {
	if text == "" || hidden == nil || isOrdinary(strings.ToLower(text)) {
		return c.scrub.clean(text, nil)
	}
	return c.scrub.clean(text, hidden())
}

// page takes the words out of a reply that is not the documented JSON, such as a proxy's error page.
func (s *scrubber) page(body []byte, personal terms) string {
	most := min(len(body), 2*maxRead)
	text := markupPattern.ReplaceAllString(strings.ToValidUTF8(string(body[:most]), "\uFFFD"), " ")
	return s.cleanPart(text, personal, most < len(body))
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
	space, end := false, 0
	for i, r := range text { // an invalid byte comes as U+FFFD
		if i < end {
			continue
		}
		if letter, width := halfHidden(text[i:]); width > 0 {
			r, end = letter, i+width
		}
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

// halfHidden reads a letter of a Western name that was written in UTF-8 and read as Latin-1, if a part of it cannot be
// printed: it would be lost before anybody looks for the name. A soft hyphen is such a part only where it makes an í.
func halfHidden(text string) (letter rune, width int) {
	const longest = 6 // bytes of three letters that stand for one
	lead, size := utf8.DecodeRuneInString(text)
	if !strings.ContainsRune("ÃÂÄÅâ", lead) {
		return 0, 0
	}
	next, _ := utf8.DecodeRuneInString(text[size:])
	if unicode.IsPrint(next) || next == '\u00ad' && lead != 'Ã' {
		return 0, 0
	}
	read, width := unmangle([]byte(text[:min(len(text), longest)]))
	if width == 0 {
		return 0, 0
	}
	letter, _ = utf8.DecodeRune(read)
	return letter, width
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
