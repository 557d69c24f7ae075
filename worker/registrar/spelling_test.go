package registrar

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// invented are people who do not exist, with names that are written in more than one way.
func invented() []Holder {
	return []Holder{
		{
			FirstName: "Joëlle", LastName: "Weißmüller-Ibáñez", Email: "joelle.weissmueller@zonnepost.example", Phone: "+31612345678",
			Street: "Lange Königstraat", HouseNumber: "12", PostalCode: "1234 AB", City: "Sint-Jørgensdorp", Country: "NL",
		},
		{
			FirstName: "Joost", LastName: "van der Secretman", Email: "joost@secretman.example", Phone: "+3225551234",
			Street: "Kerkstraat", HouseNumber: "1a", PostalCode: "9876ZX", City: "Zonnedorp", Country: "BE",
		},
		{
			Company: "Bakkerij Ångström & Zonen B.V.", FirstName: "Bo", LastName: "Li", Email: "brood@angstroem.example", Phone: "+4930901820",
			Street: "Ünterstraat", HouseNumber: "7", PostalCode: "10115", City: "Ee", Country: "DE",
		},
	}
}

// traces are what gives the invented people away, folded. Their short details are looked for where they stand alone.
func traces() []string {
	return []string{
		"joelle", "jolle", "weiss", "muller", "mueller", "ibanez", "zonnepost", "12345678", "konig", "koenig", "jorgens", "joost", "secretman",
		"25551234", "kerkstr", "zonnedorp", "9876zx", "1234ab", "angstrom", "angstroem", "30901820", "unterstr", "brood", "ngstrom", "ngstroem", "nterstr",
	}
}

// leaks are the traces that can still be read in a text, whatever layer of escaping is taken off.
func leaks(text string) []string {
	var found []string
	v := newView(text)
	for range 2 * escapeLevels {
		folded := spell(string(v.text))
		for _, trace := range traces() {
			if strings.Contains(folded, trace) && !slices.Contains(found, trace) {
				found = append(found, trace)
			}
		}
		next, changed := v.unescape()
		if !changed {
			break
		}
		v = next
	}
	return found
}

func sandboxHolder(h Holder) sandbox.Holder {
	return sandbox.Holder{
		ID: h.ID, Company: h.Company, Firstname: h.FirstName, Lastname: h.LastName, Email: h.Email, Phone: h.Phone,
		Street: h.Street, Housenumber: h.HouseNumber, Postalcode: h.PostalCode, City: h.City, Country: h.Country,
	}
}

// Whatever form an upstream quotes details in, and of whichever holder of the call, nothing of them is kept.
func TestCleanHidesEverySpelling(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(invented(), "weissmueller.nl")()
	spellings := sandbox.Spellings()
	if len(spellings) < 40 {
		t.Fatalf("%d spellings, want forty or more", len(spellings))
	}
	for _, spelling := range spellings {
		for _, h := range invented() {
			quotes := spelling.Quote(sandboxHolder(h))
			for form, text := range map[string]string{
				"alone": strings.Join(quotes, " "), "list": strings.Join(quotes, ", "), "tight": strings.Join(quotes, ","), "fields": "x=" + strings.Join(quotes, "&y="),
				"json": `{"a":"` + strings.Join(quotes, `","b":"`) + `"}`, "lines": strings.Join(quotes, "\r\n"), "tags": "<b>" + strings.Join(quotes, "</b><b>") + "</b>",
			} {
				got := s.clean("cannot serve "+text+" today", hidden)
				if found := leaks(got); len(found) > 0 {
					t.Errorf("%s, %s: %q are left of %q in %q", spelling.Name, form, found, text, got)
				}
				if !strings.HasPrefix(got, "cannot serve ") || !strings.HasSuffix(got, " today") {
					t.Errorf("%s, %s: innocent words are gone: %q", spelling.Name, form, got)
				}
			}
		}
	}
}

// What is nobody's detail stays, also where details are short or ordinary words.
func TestCleanLeavesInnocentWords(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	holders := append(invented(),
		Holder{FirstName: "An", LastName: "No", City: "Ee", Street: "De", Company: "In", Country: "NL"},
		Holder{FirstName: "Domain", LastName: "Holder", City: "Y", Street: "A", Company: "NL Hosting"},
		Holder{FirstName: "Is", LastName: "Peeters", City: "Free", Street: "Code 1", Email: "info@peeters.nl"},
	)
	hidden := personalOf(holders, "peeters.nl", "no-peeters.be", "ee.nl", "xn--wei-mller-u9a.de")()
	for _, text := range []string{
		"", "free", "the domain is not available", "no such domain in the registry: the holder is unknown",
		"an error occurred in the service, see the code 422", "domain is free", "insufficient funds",
		"peeters.nl is not available", "PEETERS.NL. is taken, and so is no-peeters.be", "ee.nl, NL and BE", "country NL is missing a postal code",
		"retry after 2026-11-22 02:07:13, 10115.5 or 1.10115", "meest recente keer, ze meent een fee", "host whois.tld.ee refused it",
		"registered until 2027-01-02 at 12:00", "no answer from 10.0.0.12:443", "the boom of the lilac", "register bulk: EOF", "an owner is needed",
	} {
		if got := s.clean(text, hidden); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"holder Peeters of peeters.nl":   "holder [personal] of peeters.nl",
		"Peeters in Ee":                  "[personal] in [personal]",
		"mail info@peeters.nl is bad":    "mail [e-mail] is bad",
		"mail info (at) peeters.nl, bad": "mail [e-mail], bad",
		"No, the name is An No":          "[personal], the name is [personal]",
	} {
		if got := s.clean(text, hidden); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// What holders are hardly ever called, and yet may be by a registrar that means them.
func TestCleanHidesFurtherSpellings(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	holders := append(invented(), Holder{
		FirstName: "Γιώργος", LastName: "Παπαδόπουλος", Email: "g@oikos.example", Phone: "+302101234567", Street: "Ερμού", City: "Αθήνα", Country: "GR",
	}, Holder{
		FirstName: "Jan-Willem", LastName: "de Zomer-Winterman", Email: "jw@winter.example", Phone: "+31612345678", Street: "Zonweg", City: "Zonnedorp", Country: "NL",
	})
	hidden := personalOf(holders)()
	const details = "Joëlle Weißmüller-Ibáñez, Lange Königstraat 12"
	for _, text := range []string{
		base64.StdEncoding.EncodeToString([]byte(details)), base64.URLEncoding.EncodeToString([]byte(details)), base64.StdEncoding.EncodeToString([]byte("Joost")),
		base64.StdEncoding.EncodeToString([]byte(details + "ë"))[:65], base64.StdEncoding.EncodeToString([]byte(`{"lastname":"Wei\u00dfm\u00fcller-Ib\u00e1\u00f1ez"}`)),
		hex.EncodeToString([]byte(details)), strings.ToUpper(hex.EncodeToString([]byte(details))), hex.EncodeToString([]byte("Joost"))[:10],
		url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("joost@secretman.example"))), "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte("Weißmüller")) + "?=",
		"ΓΙΏΡΓΟΣ", "ΠΑΠΑΔΟΠΟΥΛΟΣ", "Παπαδοπουλος", "ΑΘΗΝΑ",
		"jvandersecretman", "J. van der Secretman", "secretman j", "vandersecretman", "dezomer", "de Zomer", "jwdezomer", "J.W. de Zomer", "JZOMERWINTERMAN", "zomerwinterman",
		"12345678", "1234 5678",
	} {
		got := s.clean("cannot serve "+text+" today", hidden)
		if rest := strings.NewReplacer("[personal]", "", "[phone]", "").Replace(got); len(rest) > len("cannot serve =?utf-8?B??= . today") {
			t.Errorf("%q is left of %q", got, text)
		}
	}
	innocent := personalOf([]Holder{{FirstName: "Anna", LastName: "Domain", City: "Best"}, {FirstName: "Not", LastName: "de Order", City: "Best"}, {FirstName: "An", LastName: "De Vries"}})()
	for _, text := range []string{
		"a domain is not available", "a holder of an order is best", "request 86571234 of 1234abcd failed", "0193f2a0-7c1e-7b5e-9d3c-2f6a1b0c4d5e",
		"a de facto standard", "nameservers ns1/ns2 were refused", "an order of a domain",
	} {
		if got := s.clean(text, innocent); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Details that are encoded are found whatever stands before them, in whichever alphabet they were written, and also twice.
func TestCleanHidesEncodedDetails(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(invented())()
	const details = "Joëlle Weißmüller-Ibáñez, Lange Königstraat 12"
	wide := make([]byte, 0, 2*len(details))
	for _, unit := range utf16.Encode([]rune(details)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(details))
	for _, text := range []string{
		encoded, "/holders/" + encoded, "/a/" + encoded, "/ab/" + encoded, "data-" + encoded, "https://host.example/v1/holders/" + url.PathEscape(encoded),
		"x_" + base64.RawURLEncoding.EncodeToString([]byte(details)), "/h/" + base64.StdEncoding.EncodeToString([]byte("Joost")) + ".json",
		"0x" + hex.EncodeToString([]byte(details)), `\x` + hex.EncodeToString([]byte(details)), "0X" + strings.ToUpper(hex.EncodeToString([]byte("Joost"))),
		base64.StdEncoding.EncodeToString([]byte(encoded)), hex.EncodeToString([]byte(encoded)), base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString([]byte(details)))),
		base64.StdEncoding.EncodeToString(latin1(details)), hex.EncodeToString(latin1(details)), "=?iso-8859-1?B?" + base64.StdEncoding.EncodeToString(latin1("Joëlle")) + "?=",
		"/holders/" + base64.URLEncoding.EncodeToString(latin1(details)), "/ab/" + base64.StdEncoding.EncodeToString(latin1("Weißmüller")),
		base64.StdEncoding.EncodeToString(wide), hex.EncodeToString(wide),
	} {
		if got := s.clean("cannot serve "+text+" today", hidden); !strings.Contains(got, "[personal]") || strings.Contains(got, text[len(text)/2:]) {
			t.Errorf("%q is left of %q", got, text)
		}
	}
}

func latin1(text string) []byte {
	var b []byte
	for _, r := range text {
		b = append(b, byte(r))
	}
	return b
}

// Details are found in whatever encoding they were read, and byte by byte.
func TestCleanHidesMisreadDetails(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(invented())()
	encodings := []*charmap.Charmap{
		charmap.CodePage850, charmap.CodePage437, charmap.CodePage852, charmap.Macintosh, charmap.Windows1250, charmap.Windows1251, charmap.CodePage866,
		charmap.KOI8R, charmap.ISO8859_2,
	}
	for _, word := range []string{"Joëlle", "Weißmüller", "Königstraat"} {
		texts := []string{
			fmt.Sprintf("% x", word), fmt.Sprintf("% X", latin1(word)), fmt.Sprint([]byte(word)), strings.ReplaceAll(fmt.Sprintf("% x", word), " ", ":"),
			strings.ReplaceAll(fmt.Sprintf("% #x", word), " ", ", "), strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(word)), " ", ","), "[]"),
			strings.NewReplacer("ë", "=c3=ab", "ß", "=c3=9f", "ü", "=c3=bc", "ö", "=c3=b6").Replace(word),
			strings.NewReplacer("ë", `\U000000eb`, "ß", `\U000000df`, "ü", `\U000000fc`, "ö", `\U000000f6`).Replace(word),
		}
		for _, e := range encodings {
			read := func(written []byte) string {
				return strings.Map(func(r rune) rune { return e.DecodeByte(byte(r)) }, string(charmapBytes(charmap.ISO8859_1, written)))
			}
			texts = append(texts, read([]byte(word)), read(latin1(word)))
		}
		for _, e := range encodings[:4] {
			written, err := e.NewEncoder().String(word)
			if err == nil {
				texts = append(texts, charmapBytes(charmap.ISO8859_1, []byte(written)), charmapBytes(charmap.Windows1252, []byte(written)))
			}
		}
		for _, text := range texts {
			if got := s.clean("cannot serve "+text+" today", hidden); len(got) > len("cannot serve [[personal]] today") {
				t.Errorf("%s: %q is left of %q", word, got, text)
			}
		}
	}
	for _, text := range []string{
		"request 01:23:45:67:89:ab failed", "lines 10, 20, 30, 40, 50, 60", "at 10 11 12 13 14 15", "numbers 74 999 111 115 116", "de:ad:be:ef:00:11",
	} {
		if got := s.clean(text, hidden); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// charmapBytes is each byte as the letter that it is in an encoding.
func charmapBytes(e *charmap.Charmap, text []byte) string {
	var b strings.Builder
	for _, c := range text {
		b.WriteRune(e.DecodeByte(c))
	}
	return b.String()
}

// What names of accounts are made of, and what looks like a name though it is written with other signs.
func TestCleanHidesNamesOfAccountsAndLookalikes(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(append(invented(), Holder{
		FirstName: "Anne Marie", LastName: "O'Brien", Email: "am@obrien.example", Phone: "+31612345678", Street: "Laan", City: "'s-Zomerdorp",
	}))()
	for _, text := range []string{
		"joostsecretman", "secretmanjoost", "joost_secretman", "jsecretman", "secretmanj", "jvdsecretman", "j.vd.secretman", "vdsecretman", "vd Secretman", "JSECRETMAN", "joelleweissmuller", "weissmuellerjoelle", "ibanezjoelle", "jibanez",
		"annemarieobrien", "anneobrien", "amobrien", "obrien", "O’Brien", "OʼBrien", "oʼbrien", "OʻBRIEN", "O´Brien", "O`Brien", "O＇Brien", "ʼs-Zomerdorp",
		"Jo\u3164ost", "S\u115fecretman", "Jo\uffa0\u1160ost",
		"٠٦١٢٣٤٥٦٧٨", "+٣١ ٦ ١٢٣٤٥٦٧٨", "०६१२३४५६७८", "０６１２３４５６７８", "𝟎𝟔𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
	} {
		got := s.clean("cannot serve "+text+" today", hidden)
		if rest := strings.NewReplacer("[personal]", "", "[phone]", "").Replace(got); len(rest) > len("cannot serve ʼs- today") {
			t.Errorf("%q is left of %q", got, text)
		}
	}
}

// A page that is too long ends somewhere, perhaps in somebody's name, when its markup is gone it may be short.
func TestPageEndsInNoHalfName(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(invented())()
	const words = "the holder Joost van der Secretman at +3225551234 is not known here"
	for end := range len(words) {
		page := "<style>" + strings.Repeat("x", 2*maxRead-end-len("<style></style>")) + "</style>" + words
		if got := s.page([]byte(page), hidden); strings.Contains(got, "Joo") || strings.Contains(got, "Secr") || strings.Contains(got, "32") {
			t.Errorf("cut after %q: %q", words[:end], got)
		}
	}
	if got := s.page([]byte("<p>"+words+"</p>"), hidden); got != "the holder [personal] at [phone] is not known here" {
		t.Errorf("a whole page became %q", got)
	}
}

func hostileHolders() []Holder {
	var holders []Holder
	for i := range 50 {
		h := invented()[0]
		h.LastName = strings.Repeat("a", 64-i)
		h.Email = strings.Repeat("a", 64) + "@" + strings.Repeat("a.", i+60) + "example"
		holders = append(holders, h)
	}
	return holders
}

func hostileParts() []string {
	return []string{
		"a", "a.", "a ", "aA", "%2561.", "&amp;#97;-", `\\u0061 `, "a\u00ad", "Ã¡", "YWFhYWFhYWFhYWFhYWFh ", "YWFhYWFh", "6161", "%2559WFh",
		"61 ", "97,", "0x61,", "ĂĽ", "/YWFh", "U+0061", "chr(97)+", `\61 `,
		"01100001 ", "141;", "a\" . \"", "aaaaaas ",
		"=?u?B?YWFh?= ", "=?", "a*a", "aa__", "nul ", "1-", "aaaaaaaab", `\x{61}`, "6161 ",
	}
}

// BenchmarkHostileTexts shows what the longest of such texts cost, one of each kind.
func BenchmarkHostileTexts(b *testing.B) {
	s := newScrubber(testSecret)
	hidden := personalOf(hostileHolders())()
	for b.Loop() {
		for _, part := range hostileParts() {
			s.clean(strings.Repeat(part, 2*maxRead/len(part)), hidden)
		}
	}
}

func BenchmarkTerms(b *testing.B) {
	var holders []Holder
	for i := range 50 {
		h := invented()[i%3]
		h.LastName += strings.Repeat("x", i)
		h.Email = strings.Repeat("y", i) + h.Email
		holders = append(holders, h)
	}
	b.ReportAllocs()
	for b.Loop() {
		personalOf(holders)()
	}
}
