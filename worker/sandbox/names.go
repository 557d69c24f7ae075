package sandbox

import (
	"strings"

	"golang.org/x/net/idna"
)

// canonical is the form in which domains are compared: lower-case ASCII without a trailing dot (RFC 1035,
// RFC 5890). What is no domain name comes back lower-cased, with false.
func canonical(raw string) (string, bool) {
	name := strings.TrimSuffix(raw, ".")
	if plain(name) {
		return name, wellFormed(name)
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return strings.ToLower(raw), false
	}
	return ascii, wellFormed(ascii)
}

// plain reports that a name is in lower-case ASCII already, so that the slow way can be left out.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func wellFormed(name string) bool {
	if len(name) > 253 || !strings.Contains(name, ".") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// unicodeForm is a domain as people write it: xn--caf-dma.nl becomes café.nl.
func unicodeForm(domain string) string {
	u, err := idna.ToUnicode(domain)
	if err != nil {
		return domain
	}
	return u
}
