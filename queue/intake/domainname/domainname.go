// Package domainname turns one domain as a person wrote it into the one form that everything else uses.
//
// The ASCII form rules: it is what is stored, compared, sent upstream and paid for. The Unicode form is for people.
// What is accepted is a name that a registry can sell: exactly one label under an ICANN public suffix. A name is
// mapped as RFC 5895 says and no further: lower case, full and half width forms, NFC, and the ideographic full stop,
// which UTS 46 takes for a dot as well. After that the registration rules of IDNA2008 (RFC 5891, section 4) apply,
// which map nothing: STD3 letters, hyphens, joiners, bidi, and DNS lengths.
//
// The package must never guess. A compatibility character such as ① is refused, not turned into 1, an invisible one
// is refused, not dropped, and so is a capital with more than one lower-case form: a registration cannot be undone.
// Symbols that IDNA2008 forbids and UTS 46 admits, such as emoji, pass, because some registries sell them; the
// registry has the last word.
package domainname

import (
	"strings"
	"unicode/utf8"
)

// Name is one domain in both of its forms, both in lower case and without a trailing dot. For a plain ASCII domain
// the two are the same string. The zero Name is no domain.
type Name struct {
	ASCII   string // the A-label form, at most 253 bytes of a-z, 0-9, hyphen and dot
	Unicode string // the U-label form, for showing to people
}

// Parse reads one domain that can be registered. It forgives surrounding space, one trailing dot and capitals.
// Every error is an *Error. Parsing either form of a Name gives the same Name again.
func Parse(raw string) (Name, error) { return Suffixes{}.Parse(raw) }

// Parse is Parse where names under these suffixes can be registered as well.
func (s Suffixes) Parse(raw string) (Name, error) {
	name, e := normalise(raw)
	if e == nil {
		e = s.checkRegistrable(name)
	}
	if e != nil {
		e.Raw = safeRaw(raw)
		return Name{}, e
	}
	return name, nil
}

// ParseHost reads a host name, such as that of a name server: the same rules as Parse, but any number of labels from
// two up, under any top-level domain. Every error is an *Error.
func ParseHost(raw string) (Name, error) {
	name, e := normalise(raw)
	if e == nil {
		e = checkHost(name)
	}
	if e != nil {
		e.Raw = safeRaw(raw)
		return Name{}, e
	}
	return name, nil
}

func checkHost(name Name) *Error {
	dot := strings.LastIndexByte(name.ASCII, '.')
	if dot < 0 {
		return refuse(ReasonNoDot, "has no dot: give the whole host name, such as ns1.example.nl")
	}
	if strings.Trim(name.ASCII[dot+1:], "0123456789") == "" { // RFC 3696, section 2
		return refuse(ReasonIPAddress, "ends in a number as an IP address does: give a host name")
	}
	return nil
}

func normalise(raw string) (Name, *Error) {
	s := strings.TrimSuffix(strings.TrimSpace(raw), ".")
	if isPlain(s) {
		return Name{ASCII: s, Unicode: s}, nil
	}
	// Only ASCII is lowered here: the lower case of İ is a plain i to strings.ToLower.
	if lower := strings.ToLower(s); isPlain(lower) && isASCII(s) {
		return Name{ASCII: lower, Unicode: lower}, nil
	}
	return normaliseIDN(raw)
}

// Lengths in bytes, from RFC 1035, section 2.3.4, without the root label.
const (
	maxLabel = 63
	maxName  = 253
)

// isPlain reports whether s is well formed and needs none of IDNA. It is the fast path, so it says no to all that
// wants a second look: hyphens in third and fourth place, and a last label that begins with a digit as an IP
// address does.
func isPlain(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	start := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		case c == '.':
			if !isPlainLabel(s[start:i]) {
				return false
			}
			start = i + 1
		default:
			return false
		}
	}
	last := s[start:]
	return isPlainLabel(last) && (last[0] < '0' || last[0] > '9')
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isPlainLabel(label string) bool {
	return label != "" && len(label) <= maxLabel &&
		label[0] != '-' && label[len(label)-1] != '-' &&
		(len(label) < 4 || label[2:4] != "--")
}
