package registrar

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// disguised are ways to write a name that look like nothing of it.
func disguised() map[string]string {
	return map[string]string{
		"tags": "J<b>an</b>sen", "one tag": "Jan<br/>sen", "comment": "Ja<!-- x -->nsen", "escaped tags": "J&lt;i&gt;an&lt;/i&gt;sen", "attributes": `Ja<span class="x">nsen</span>`,
		"bulletin board": "J[b]an[/b]sen", "colours": "J\x1b[31man\x1b[0msen", "tags twice": "J<b><i>an</i></b>sen", "stars": "J**an**sen",
		"backwards": "nesnaJ", "backwards in capitals": "NESNAJ", "street backwards": "taartskelooM", "whole backwards": "nesnaJ siroJ", "digits backwards": "87654321613",
		"half an alphabet on": "Wnafra", "Cyrillic": "Янсен", "Cyrillic in capitals": "ЯНСЕН", "one Cyrillic letter": "Jаnsen", "Greek": "Γιάνσεν", "Hebrew": "ינסן", "Arabic": "يانسن",
		"Chinese": "揚森", "Japanese": "ヤンセン", "Armenian": "Յանսեն", "Georgian": "იანსენი", "Cyrillic numbers": "&#1071;&#1085;&#1089;&#1077;&#1085;",
		"Cyrillic percent": "%D0%AF%D0%BD%D1%81%D0%B5%D0%BD", "Cyrillic json": `\u042f\u043d\u0441\u0435\u043d`, "UTF-7 whole": "+AEoAYQBuAHMAZQBu-", "UTF-7 folder": "&AEoAYQBuAHMAZQBu-",
		"base32": base32.StdEncoding.EncodeToString([]byte("Jansen")), "base32 in small letters": strings.ToLower(base32.StdEncoding.EncodeToString([]byte("Joris Jansen"))),
		"base32 hex": base32.HexEncoding.EncodeToString([]byte("Jansen")), "base32 behind": "id-" + base32.StdEncoding.EncodeToString([]byte("Jansen")),
		"base64 of Cyrillic": base64.StdEncoding.EncodeToString([]byte("Янсен")), "hex of what nobody knows": hex.EncodeToString([]byte("Pietersen")),
		"base64 of what nobody knows": base64.StdEncoding.EncodeToString([]byte("Pietersen of Utrecht")), "base58": "2NEpo7TZRRrLZSi2U", "decimal": "074097110115101110",
		"digits for letters": "J4n5en", "one digit for a letter": "J4nsen", "account number": "NL91ABNA0417164300", "host": "jansen-bakkerij.nl", "host in capitals": "WWW.JANSEN-BAKKERIJ.NL",
		"label": "jansen-bakkerij", "mail host": "mail.jansen-bakkerij.nl", "host in words": "jansen-bakkerij dot nl", "UTF-7": "Zo+AOs-tje",
	}
}

func TestCleanHidesDisguises(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	holder := Holder{
		FirstName: "Joris", LastName: "Jansen", Email: "jan@jansen-bakkerij.nl", Phone: "+31612345678", Street: "Moolekstraat", HouseNumber: "3", PostalCode: "1234 AB",
		City: "Zoëtje", Country: "NL",
	}
	hidden := personalOf([]Holder{holder}, "ordered.nl")()
	for name, text := range disguised() {
		for _, form := range []string{"cannot serve %s today", "cannot serve holder=%s today", "cannot serve <p>%s</p> today", "cannot serve \"%s\" today"} {
			got := s.clean(strings.Replace(form, "%s", text, 1), hidden)
			rest := got
			for _, word := range []string{"cannot serve", "today", "holder=", "<p>", "</p>", "</span>", "[personal]", "[phone]", `"`, "www.", "WWW.", "mail.", "id-", " dot nl", "=", "**"} {
				rest = strings.ReplaceAll(rest, word, "")
			}
			if strings.TrimSpace(rest) != "" {
				t.Errorf("%s: %q is left of %q", name, got, text)
			}
		}
	}
}

// Names that are written in another script are hidden in whatever way they are spelled in Latin letters.
func TestCleanHidesForeignNamesInLatinLetters(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf([]Holder{
		{FirstName: "Γιώργος", LastName: "Παπαδόπουλος", Email: "g@gmail.com", Street: "Ερμού", City: "Αθήνα", Country: "GR"},
		{FirstName: "Юлия", LastName: "Щербакова", Email: "u@gmail.com", Street: "Тверская", City: "Москва", Country: "RU"},
	}, "domein.nl")()
	for _, name := range []string{"Giorgos", "Yiorgos", "Papadopoulos", "PAPADHOPOULOS", "Ermou", "Athina", "Yuliya", "Julija", "Shcherbakova", "Schtscherbakowa", "Tverskaya", "Moskva", "Щербакова", "Li"} {
		if got := s.clean("the holder "+name+" of domein.nl is not valid", hidden); got != "the holder [personal] of domein.nl is not valid" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// sentences are what registrars say, in the languages in which they may.
func sentences() []string {
	return []string{
		"De domeinnaam is niet beschikbaar.", "Houder onbekend: controleer het klantnummer en probeer het opnieuw.", "Onvoldoende saldo; waardeer uw rekening op.",
		"Verplicht veld 'postcode' ontbreekt of is ongeldig.", "Dit domein staat in quarantaine tot 2026-12-01.", "Er is een interne fout opgetreden, neem contact op met de helpdesk.",
		"Het domein is al geregistreerd bij een andere registrar.", "De nameservers ns1.voorbeeld.nl en ns2.voorbeeld.nl antwoorden niet.", "Te veel aanvragen: wacht 60 seconden.",
		"The domain name is already registered.", "Authorization failed: the token has expired at 2026-11-22T02:07:13Z.", "Missing or invalid parameter 'holderId' (must be an integer).",
		"Internal server error, request 0193f2a0-7c1e-7b5e-9d3c-2f6a1b0c4d5e; please quote this reference.", "Rate limit exceeded: 100 requests per minute, retry after 30s.",
		"EPP error 2302: object exists", "Premium domain: EUR 1,250.00 per year (incl. 21% VAT)", "Field periodMonths is out of range: 1..120", "InvalidNameserverException in DomainService.registerBulk()",
		"Le nom de domaine est déjà enregistré.", "Le titulaire n'existe pas ou son adresse électronique est invalide.", "Le champ « code postal » est obligatoire.", "Solde insuffisant, veuillez créditer votre compte.",
		"Une erreur s'est produite; réessayez plus tard.", "Ce nom est réservé par le registre.",
		"Der Domainname ist bereits vergeben.", "Ungültiger Inhaber: Straße und Hausnummer fehlen.", "Zahlung fehlgeschlagen, bitte laden Sie Ihr Guthaben auf.", "Größe des Stapels überschreitet 50 Einträge.",
		"Die Anfrage konnte nicht verarbeitet werden (Zeitüberschreitung nach 30 s).", "Nameserver müssen auflösbar sein.",
		"registration pending, see job 55512345", "HTTP 422 Unprocessable Entity", "error=invalid_grant, code=4012", "tls: failed to verify certificate: x509: certificate has expired",
		"read tcp 10.0.0.1:54012->10.0.0.2:443: connection reset by peer", "IPv4 and IPv6 addresses, e.g. 2001:db8::1", "SIDN: ABC001234-SIDN is unknown", "took 250 µs, used 3 MΩ of 5 °C",
		"at 20261122T020713Z, batch 1764122833123", "pl-1-2-3 v2.14.0-rc1 (build 20261122)", "Möchtest du's? Ça va, señor; één, geïnd, coöperatie, naïve",
		"пример.рф is taken, and παράδειγμα.gr too", "4you2buy3.nl and a1b2c3d4e5f6.nl are reserved",
	}
}

func TestCleanLeavesWhatRegistrarsSay(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	asked := []string{"ordered.nl", "xn--e1afmkfd.xn--p1ai", "xn--hxajbheg2az3al.gr", "4you2buy3.nl", "a1b2c3d4e5f6.nl"}
	people := append(invented(), Holder{FirstName: "Joris", LastName: "Jansen", Email: "jan@jansen-bakkerij.nl", City: "Utrecht"}, Holder{FirstName: "An", LastName: "De Vries", Email: "an@gmail.com"})
	for _, hidden := range []terms{personalOf(people, asked...)(), personalOf(nil, asked...)()} {
		for _, text := range sentences() {
			if got := s.clean(text, hidden); got != text {
				t.Errorf("%q became %q", text, got)
			}
		}
	}
}

// Names in the form that DNS has are full of digits, and stay where they are ordered.
func TestCleanLeavesOrderedDomains(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(respelled(), "xn--e1afmkfd.xn--p1ai", "a--b1c2d.nl")()
	const said = "xn--e1afmkfd.xn--p1ai is taken, and a--b1c2d.nl; XN--E1AFMKFD.XN--P1AI"
	if got := s.clean(said, hidden); got != said {
		t.Errorf("%q became %q", said, got)
	}
}

// The host of somebody's mail tells him apart, unless it is a provider's, or the domain that is ordered.
func TestCleanHidesHostsOfMail(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	own := Holder{LastName: "Jansen", Email: "jan@jansen-bakkerij.nl"}
	for _, tt := range []struct {
		holder     Holder
		domain     string
		text, want string
	}{
		{own, "ordered.nl", "mail of jansen-bakkerij.nl bounces", "mail of [personal] bounces"},
		{own, "ordered.nl", "see www.jansen-bakkerij.nl.", "see www.[personal]."},
		{own, "jansen-bakkerij.nl", "jansen-bakkerij.nl is not available", "jansen-bakkerij.nl is not available"},
		{own, "jansen-bakkerij.nl", "ns1.jansen-bakkerij.nl does not answer", "ns1.jansen-bakkerij.nl does not answer"},
		{Holder{LastName: "Jansen", Email: "jan@gmail.com"}, "ordered.nl", "gmail.com and GMAIL refuse it", "gmail.com and GMAIL refuse it"},
		{Holder{LastName: "Jansen", Email: "jan@mail.zonnepost.example"}, "ordered.nl", "zonnepost.example refuses it, zonnepost too", "[personal] refuses it, [personal] too"},
		{Holder{LastName: "Jansen", Email: "jan@xn--zonnepst-s4a.example"}, "ordered.nl", "the host is zonnepöst.example", "the host is [personal]"},
	} {
		if got := s.clean(tt.text, personalOf([]Holder{tt.holder}, tt.domain)()); got != tt.want {
			t.Errorf("%s, %s: %q became %q", tt.holder.Email, tt.domain, tt.text, got)
		}
	}
}

// What looks like tags is as bounded as anything else.
func TestStrangeTextsAreBounded(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(slices.Concat(invented(), invented()))()
	for _, part := range []string{"<", "<b", "<b>", "<!--", "[b]", "[b=", "+AOs", "+AOs-", "&AOs-", "Я", "a1", "a1+", "0193f2a0-7c1e-7b5e-9d3c-2f6a1b0c4d5e ", "=", "JJQW4==="} {
		if got := s.clean(strings.Repeat(part, 2*maxRead/len(part)), hidden); len(got) > MaxMessage {
			t.Errorf("%d bytes of %q", len(got), part)
		}
	}
}
