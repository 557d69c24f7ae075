package domainname

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// maxRawRead is the longest text, in bytes, worth a look: 253 characters of four bytes each, and room for marks that
// NFC joins to their letters.
const maxRawRead = 2048

// normaliseIDN is the way of all names that are not plain: it maps them, or says what is wrong with them.
func normaliseIDN(raw string) (Name, *Error) {
	if len(raw) > maxRawRead {
		return Name{}, tooLong()
	}
	if !utf8.ValidString(raw) {
		return Name{}, refuse(ReasonEncoding, "is not UTF-8: save the file as UTF-8")
	}
	s := strings.TrimSpace(width.Fold.String(raw))
	if e := checkShape(strings.TrimSuffix(s, ".")); e != nil {
		return Name{}, e
	}
	mapped, e := mapRFC5895(s)
	if e != nil {
		return Name{}, e
	}
	mapped = strings.TrimSuffix(mapped, ".")
	if e := checkLabelsPresent(mapped); e != nil {
		return Name{}, e
	}
	ascii, err := idna.Registration.ToASCII(mapped)
	if err != nil {
		return Name{}, explain(mapped)
	}
	// An xn-- label must decode to a name that encodes to the same label, else two spellings would be one domain.
	shown, err := idna.Registration.ToUnicode(ascii)
	if err != nil {
		return Name{}, explain(mapped)
	}
	if again, err := idna.Registration.ToASCII(shown); err != nil || again != ascii {
		return Name{}, notPunycode(ascii)
	}
	return Name{ASCII: ascii, Unicode: shown}, nil
}

// checkShape tells a name from the other things that stand in columns of domains.
func checkShape(s string) *Error {
	if s == "" {
		return refuse(ReasonEmpty, "is empty: give a domain such as example.nl")
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return refuse(ReasonIPAddress, "is an IP address, not a name")
	}
	if strings.Contains(s, "://") || strings.ContainsAny(s, "/\\?#:") {
		return refuse(ReasonURL, "has a scheme, a port or a path: give only the domain")
	}
	if strings.ContainsFunc(s, isAtSign) {
		return refuse(ReasonEmail, "is an e-mail address, not a domain: give only the part after the @")
	}
	return nil
}

func checkLabelsPresent(mapped string) *Error {
	if mapped == "" || mapped[0] == '.' || mapped[len(mapped)-1] == '.' || strings.Contains(mapped, "..") {
		return refuse(ReasonEmptyLabel, "has a dot too many")
	}
	return nil
}

// mapRFC5895 does what is left of RFC 5895, section 2, once full and half width are folded: lower case, NFC, and the
// ideographic full stop.
func mapRFC5895(s string) (string, *Error) {
	runes := []rune(s)
	for i, r := range runes {
		last := i+1 == len(runes) || !unicode.IsLetter(runes[i+1])
		if lower := otherLowerCases(r, last); lower != "" {
			return "", refuse(ReasonCapital, "has %q, whose lower case may be %s: write it in lower case", r, lower)
		}
		runes[i] = toLower(r)
	}
	return norm.NFC.String(string(runes)), nil
}

func toLower(r rune) rune {
	switch {
	case r == '\u3002': // ideographic full stop; the half width one was folded to it
		return '.'
	case unicode.Is(unicode.Cherokee, r): // its capitals are the letters that IDNA2008 admits
		return r
	}
	return unicode.ToLower(r)
}

// otherLowerCases gives the lower cases among which a capital leaves the choice. They are different domains.
func otherLowerCases(r rune, last bool) string {
	switch {
	case r == 'ẞ':
		return "ß or ss"
	case r == 'İ':
		return "i, or i with a second dot"
	case r == 'Σ' && last:
		return "ς or σ"
	}
	return ""
}

// explain finds out why the registration rules refused a name. It runs only on errors.
func explain(mapped string) *Error {
	for label := range strings.SplitSeq(mapped, ".") {
		if e := explainLabel(label); e != nil {
			return e
		}
	}
	if ascii, err := idna.Punycode.ToASCII(mapped); err == nil && len(ascii) > maxName {
		return tooLong()
	}
	return refuse(ReasonIDN, "mixes right-to-left and left-to-right text in a way that no registry accepts (RFC 5893)")
}

func explainLabel(label string) *Error {
	// Two parts of the registration profile, to tell which of its rules was broken.
	marks := idna.New(idna.MapForLookup(), idna.CheckHyphens(false))
	single := idna.New(idna.MapForLookup(), idna.CheckHyphens(false), idna.CheckJoiners(false))
	for _, r := range label {
		if !allowed(r, single) {
			return refuse(ReasonCharacter, "has %s, which a domain cannot have", describe(r))
		}
	}
	if ascii, err := idna.Punycode.ToASCII(label); err == nil && len(ascii) > maxLabel {
		return refuse(ReasonLabelTooLong, "has a label of %d bytes in its ASCII form: a label has 63 at most", len(ascii))
	}
	if strings.HasPrefix(label, "xn--") {
		if _, err := idna.Registration.ToUnicode(label); err != nil {
			return notPunycode(label)
		}
		return nil
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return refuse(ReasonHyphen, "has a label that begins or ends with a hyphen")
	}
	if len(label) > 4 && label[2:4] == "--" {
		return refuse(ReasonHyphen, "has a label with hyphens in third and fourth place, which are reserved for xn--")
	}
	if _, err := marks.ToUnicode(label); err != nil {
		return refuse(ReasonIDN, "has a label that begins with a combining mark, or a joiner where none may stand (RFC 5892)")
	}
	return nil
}

// allowed reports whether r may stand in a label at all: the mapping of UTS 46 leaves it as it is.
func allowed(r rune, single *idna.Profile) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-'
	}
	mapped, err := single.ToUnicode(string(r))
	return err == nil && mapped == string(r)
}

func tooLong() *Error {
	return refuse(ReasonTooLong, "is too long: a domain has at most 253 bytes in its ASCII form")
}

func notPunycode(name string) *Error {
	return refuse(ReasonPunycode, "does not decode to a valid name (%s): write it with its real letters", safeRaw(name))
}
