package registrar

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hostSpellings are what tells somebody apart who has a domain of his own for mail: its name, and its label. Nobody is told apart
// by the host of a provider that many have their mail at.
func hostSpellings(address string) []string {
	_, host, found := strings.Cut(strings.ToLower(address), "@")
	if !found || isProvider(host) {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	var all []string
	for from := range len(labels) - 1 {
		if label := labels[from]; isGeneric(label) || utf8.RuneCountInString(spell(label)) < shortestTerm {
			continue
		}
		all = append(all, strings.Join(labels[from:], "."))
		if label := labels[from]; utf8.RuneCountInString(spell(label)) > shortestDotted {
			all = append(all, label)
		}
	}
	for _, name := range slices.Clone(all) { // as it is read
		all = append(all, spelledDomains([]string{name})[1:]...)
	}
	return all
}

// isProvider knows where many have their mail.
func isProvider(host string) bool {
	const providers = ` gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com icloud.com me.com mac.com aol.com
 proton.me protonmail.com pm.me zoho.com fastmail.com mail.com gmx.com gmx.net gmx.de web.de t-online.de freenet.de posteo.de mailbox.org
 outlook.be outlook.fr outlook.de hotmail.nl hotmail.be hotmail.fr hotmail.de hotmail.co.uk live.nl live.be live.fr live.co.uk yahoo.fr yahoo.de yahoo.co.uk
 kpnmail.nl planet.nl hetnet.nl home.nl ziggo.nl casema.nl quicknet.nl upcmail.nl chello.nl xs4all.nl tele2.nl online.nl zonnet.nl freedom.nl
 telenet.be skynet.be proximus.be scarlet.be pandora.be orange.fr wanadoo.fr free.fr sfr.fr laposte.net bbox.fr
 `
	return listed(providers, host)
}

// The digits of a Dutch postal code are a village or a quarter. Alone they may be any number, but not beside a word for such codes.

// addCode lets the digits of a Dutch postal code be found: 1234 AB.
func (t terms) addCode(term string) {
	const digits, letters = 4, 2
	code, rest, found := strings.Cut(term, " ")
	if !found || len(code) != digits || len(rest) != letters || strings.Trim(code, "0123456789") != "" || strings.ContainsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return
	}
	f := newFinding(code, code)
	f.code = true
	t.add(code, f)
}

// besideCode reports that the word before or behind signs[i:j] is one for postal codes.
func besideCode(signs []sign, i, j int) bool {
	return i > 0 && namesCode(signs[wordStart(signs, i-1):i]) || j < len(signs) && namesCode(signs[j:wordEnd(signs, j)])
}

func namesCode(word []sign) bool {
	const longest = 20
	if len(word) > longest {
		return false
	}
	text := foldedOf(word)
	return strings.HasSuffix(text, "code") || strings.HasSuffix(text, "codes") || listed(" postal postleitzahl plz zip zipcode postnummer cp pc ", text)
}
