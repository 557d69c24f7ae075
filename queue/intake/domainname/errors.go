package domainname

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reason says, for programs, why a domain was refused.
type Reason string

// The reasons for which a name is refused.
const (
	ReasonEmpty        Reason = "empty"
	ReasonURL          Reason = "url"           // a scheme, a path or a port
	ReasonEmail        Reason = "email"         // an e-mail address
	ReasonIPAddress    Reason = "ip_address"    // an IPv4 or IPv6 address
	ReasonEncoding     Reason = "encoding"      // not UTF-8
	ReasonCharacter    Reason = "character"     // a character that no domain can have
	ReasonEmptyLabel   Reason = "empty_label"   // two dots in a row, or one at the start
	ReasonHyphen       Reason = "hyphen"        // a hyphen where none may stand
	ReasonLabelTooLong Reason = "label_length"  // a label over 63 bytes in its ASCII form
	ReasonTooLong      Reason = "length"        // over 253 bytes in its ASCII form
	ReasonPunycode     Reason = "punycode"      // xn-- and then something that is no such name
	ReasonIDN          Reason = "idn"           // joiners, marks or directions that IDNA2008 forbids
	ReasonCapital      Reason = "capital"       // a capital with more than one lower-case form
	ReasonNoDot        Reason = "no_dot"        // a single label
	ReasonUnknownTLD   Reason = "unknown_tld"   // a top-level domain under which nobody can register
	ReasonPublicSuffix Reason = "public_suffix" // nl or co.uk itself
	ReasonHost         Reason = "host"          // www.example.nl instead of example.nl
)

// Error is the refusal of one name.
type Error struct {
	// Raw is what was given, at most maxRawShown bytes of it, with "…" for what was cut. Nothing before an @ and
	// nothing after a space, a slash, a colon, a question mark or the like is kept: a wrong column may hold personal
	// data or a secret.
	Raw    string
	Reason Reason
	Text   string // what is wrong and what to do; it follows Raw in a sentence
}

// Error gives the name, quoted, and the text.
func (e *Error) Error() string { return strconv.Quote(e.Raw) + " " + e.Text }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

const (
	maxRawShown = 100
	ellipsis    = "…"
)

func safeRaw(raw string) string {
	if len(raw) > maxRawRead {
		raw = raw[:maxRawRead] + ellipsis
	}
	s := strings.TrimSpace(strings.ToValidUTF8(raw, "\uFFFD"))
	if at := strings.LastIndexFunc(s, isAtSign); at >= 0 {
		_, size := utf8.DecodeRuneInString(s[at:])
		s = ellipsis + "@" + s[at+size:]
	} else if _, rest, found := strings.Cut(s, "://"); found {
		s = rest
	}
	if end := strings.IndexFunc(s, endsName); end >= 0 {
		s = s[:end] + ellipsis
	}
	if len(s) <= maxRawShown {
		return s
	}
	end := maxRawShown - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

func isAtSign(r rune) bool { return r == '@' || r == '\uFF20' || r == '\uFE6B' }

func endsName(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(":/?#\\,;|=&\"'<>()\uFF1A\uFF0F\uFF1F\uFF03", r)
}

// describe names a character so that it can be found, also when it cannot be seen.
func describe(r rune) string {
	switch {
	case r == ' ':
		return "a space"
	case unicode.IsSpace(r), !unicode.IsGraphic(r), unicode.Is(unicode.Mn, r):
		return fmt.Sprintf("the invisible character %U", r)
	case r < utf8.RuneSelf:
		return fmt.Sprintf("the character %q", r)
	}
	return fmt.Sprintf("the character %q (%U)", r, r)
}
