package domainname

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// checkRegistrable wants exactly one label under an ICANN public suffix, or under one of s.
func (s Suffixes) checkRegistrable(name Name) *Error {
	ascii := name.ASCII
	suffix, private, ok := icannSuffix(ascii)
	if extra, found := s.of(ascii); found && len(extra) >= len(suffix) {
		suffix, private, ok = extra, "", true
	}
	if e := checkSuffix(ascii, suffix, ok); e != nil {
		return e
	}
	above := strings.LastIndexByte(ascii[:len(ascii)-len(suffix)-1], '.')
	if above < 0 {
		return nil
	}
	return hostFault(ascii, ascii[above+1:], suffix, private)
}

// checkSuffix wants a known suffix under which somebody can register, and something before it.
func checkSuffix(ascii, suffix string, known bool) *Error {
	switch {
	case !known && strings.IndexByte(ascii, '.') < 0:
		return refuse(ReasonNoDot, "has no dot: give the whole domain, such as example.nl")
	case !known:
		return refuse(ReasonUnknownTLD, "ends in .%s, which is no known top-level domain", show(ascii[strings.LastIndexByte(ascii, '.')+1:]))
	case suffix == "onion", suffix == "arpa", strings.HasSuffix(suffix, ".arpa"): // RFC 7686, RFC 3172
		return refuse(ReasonUnknownTLD, "ends in .%s, under which nobody can register", suffix)
	case len(ascii) == len(suffix):
		return refuse(ReasonPublicSuffix, "is a public suffix itself: give a domain under it, such as example.%s", show(suffix))
	}
	return nil
}

// hostFault says why a name with several labels under its suffix is refused. It advises the domain that the host is under only
// where the name can be nothing but a host: a www, or one with more labels than anybody sells. Any other may be what somebody
// sells, and to advise the domain would be to advise another purchase.
func hostFault(ascii, domain, suffix, private string) *Error {
	label, parent, _ := strings.Cut(ascii, ".")
	switch {
	case private != "" && len(ascii) > len(private):
		return refuse(ReasonHost, "is under %s, which is run by its owner and not by the registry of .%s: if your registrar sells names under it, "+
			"add %s to "+Setting, show(private), show(suffix), show(private))
	case suffix == threeLabels && parent == domain:
		return refuse(ReasonHost, "is under %s, where names of three labels are sold as well as those of two: if your registrar sells them, "+
			"add *.%s to "+Setting, show(domain), threeLabels)
	case label == "www", parent != domain:
		return refuse(ReasonHost, "is a host under %s: give %s", show(domain), show(domain))
	}
	return refuse(ReasonHost, "is a host under %s: if your registrar sells names under %s, add %s to "+Setting, show(domain), show(parent), show(parent))
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
