package domainname

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// checkRegistrable wants exactly one label under an ICANN public suffix.
func checkRegistrable(name Name) *Error {
	ascii := name.ASCII
	suffix, private, ok := icannSuffix(ascii)
	switch {
	case !ok && strings.IndexByte(ascii, '.') < 0:
		return refuse(ReasonNoDot, "has no dot: give the whole domain, such as example.nl")
	case !ok:
		return refuse(ReasonUnknownTLD, "ends in .%s, which is no known top-level domain", show(ascii[strings.LastIndexByte(ascii, '.')+1:]))
	case suffix == "onion", suffix == "arpa", strings.HasSuffix(suffix, ".arpa"): // RFC 7686, RFC 3172
		return refuse(ReasonUnknownTLD, "ends in .%s, under which nobody can register", suffix)
	case len(ascii) == len(suffix):
		return refuse(ReasonPublicSuffix, "is a public suffix itself: give a domain under it, such as example.%s", show(suffix))
	}
	above := strings.LastIndexByte(ascii[:len(ascii)-len(suffix)-1], '.')
	if above < 0 {
		return nil
	}
	domain := show(ascii[above+1:])
	if private != "" && len(ascii) > len(private) {
		return refuse(ReasonHost, "is under %s, which is run by its owner and not by the registry of .%s", show(private), show(suffix))
	}
	return refuse(ReasonHost, "is a host under %s: give %s", domain, domain)
}

// icannSuffix gives the public suffix of a name by the ICANN section of the list alone: that of shop.blogspot.com is
// com. The private suffix on the way, here blogspot.com, comes with it. A top-level domain that the list does not
// have gives false.
func icannSuffix(ascii string) (suffix, private string, ok bool) {
	for rest := ascii; ; {
		suffix, icann := publicsuffix.PublicSuffix(rest)
		if icann {
			return suffix, private, true
		}
		dot := strings.IndexByte(suffix, '.')
		if dot < 0 {
			return "", private, false
		}
		if private == "" {
			private = suffix
		}
		rest = suffix[dot+1:]
	}
}

// show gives the form of an ASCII name for people.
func show(ascii string) string {
	if !strings.Contains(ascii, "xn--") {
		return ascii
	}
	shown, err := idna.Registration.ToUnicode(ascii)
	if err != nil {
		return ascii
	}
	return shown
}
