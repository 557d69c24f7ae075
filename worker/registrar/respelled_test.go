package registrar

import (
	"fmt"
	"strings"
	"testing"
)

// groenewegen is somebody who does not exist, like the others here, with names that are respelled in many ways.
func groenewegen() Holder {
	return Holder{
		FirstName: "Gijsbert", LastName: "Groenewegen", Email: "gijsbert@polderpost.example", Phone: "+31206543210", Street: "Prinsengrachtstraat", HouseNumber: "3",
		PostalCode: "2371 BC", City: "Roelofarendsveen", Country: "NL",
	}
}

// respelled are people with letters that are written otherwise where there are none such.
func respelled() []Holder {
	return []Holder{
		groenewegen(),
		{FirstName: "Ahmet", LastName: "Yıldırım", City: "Eskişehir"}, {FirstName: "Hélène", LastName: "Lefèvre", Street: "Świętokrzyska", City: "Łódź"},
		{FirstName: "Sjoerd", LastName: "Dijkstra", Street: "Wijk", City: "IJsselstein"}, {FirstName: "Anneke", LastName: "van Nijmegen", Street: "Vijverlaan"},
		{FirstName: "Đorđe", LastName: "Đorđević"}, {FirstName: "Richard", LastName: "Strauß", Street: "Weißdornmühle"}, {FirstName: "Þorgeir", LastName: "Guðmundsson"},
		{FirstName: "Ype", LastName: "Wyngaert"},
	}
}

// wantRespelledHidden checks that nothing but what it allows is left of a spelling.
func wantRespelledHidden(t *testing.T, texts ...string) {
	t.Helper()
	s := newScrubber(testSecret)
	hidden := personalOf(respelled(), "ordered.nl")()
	for _, text := range texts {
		got := s.clean("cannot serve "+text+" today", hidden)
		rest := strings.NewReplacer("[personal]", "", "'s", "", "’s", "", `"`, "", "¦", "", "'", "", ".", "", "…", "", "||", "", "+", "", `\`, "", "(", "", ")", "").Replace(got)
		if strings.Join(strings.Fields(rest), " ") != "cannot serve today" {
			t.Errorf("%q is left of %q", got, text)
		}
	}
}

// wantReadable checks that texts stay as they are.
func wantReadable(t *testing.T, texts ...string) {
	t.Helper()
	s := newScrubber(testSecret)
	hidden := personalOf(respelled(), "ordered.nl")()
	for _, text := range texts {
		if got := s.clean(text, hidden); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestCleanHidesWhatWasReadInOtherEncodings(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "LefÃšvre", "HÃ©lÃšne", "Yýldýrým", "YÝLDÝRÝM", "Eskiþehir", "ESKÝÞEHÝR", "Œwiêtokrzyska", "¦wiêtokrzyska", "Ðorðeviæ")
}

func TestCleanHidesPluralsAndPossessives(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "Groenewegens", "GROENEWEGENS", "Groenewegen's", "Groenewegen’s", "Groenewegenes", "Prinsengrachtstraats", "Dijkstras", "dijkstra's", "Lefèvres", "%47roenewegens")
	wantReadable(t, "wijkse", "Wijkerweg")
}

func TestCleanHidesLongNamesInsideOfWords(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "Groenewegense", "Groenewegenser", "dijkstrasse", "Vijverlaansesteenweg", "Gijsbertje", "gijsbertholder", "dhrgroenewegen", "GROENEWEGENOWI", "Guðmundssonar", "mevrlefevreowa", "Dykstraatje")
	wantReadable(t, "the lefevers", "a wegenwacht", "groenewijk")
	// What is inside of ordinary words is no name, nor are those of the domain that is ordered.
	s := newScrubber(testSecret)
	hidden := personalOf([]Holder{{LastName: "Registrar", City: "Domein", Street: "Contactweg", Company: "Administratie BV"}, {LastName: "Groenewegen"}}, "degroenewegens.nl")()
	const said = "registrars say: contact the administrator, an administration of registrations; domeinen; degroenewegens.nl is taken"
	if got := s.clean(said, hidden); got != said {
		t.Errorf("%q became %q", said, got)
	}
}

func TestCleanHidesNamesThatAreCut(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "Gijsb...", "Gijsb…", "Groeneweg", "groen", "GROENEWE", "Prinsengrachtstr", "Prinseng", "Roelofar", "oelofarendsveen", "arendsveen", "roenewegen", "ewegen…", "Lefèv",
		"Yýldý", "Świętok", "Nijme", "Guðmu", "jsbert", "sngrachtstraat"[1:])
	wantReadable(t, "Groe", "wegen", "straat", "gracht", "green", "Groenland", "veen", "endsveld", "bert", "an invalid registrar")
	s := newScrubber(testSecret)
	names := personalOf([]Holder{{LastName: "Registrars", FirstName: "Contactina", City: "Domeinstad", Company: "Ongeldigheid", Street: "Wachtelstraat"}})()
	const said = "ongeldig: the registrar has no contact for the domein; wacht 60 seconden"
	if got := s.clean(said, names); got != said {
		t.Errorf("ordinary words, of which names are made: %q", got)
	}
}

func TestCleanHidesNamesWithMuchBetween(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, `Groen' || 'ewegen`, `Groen\" .  \"ewegen`, `Groen" + "ewegen`, `Gijs') || ('bert`)
}

func TestCleanHidesDrawnLetters(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "ɢʀᴏᴇɴᴇᴡᴇɢᴇɴ", "Gʀᴏᴇɴᴇᴡᴇɢᴇɴ", "ᴅɪᴊᴋsᴛʀᴀ", "ꜱᴊᴏᴇʀᴅ", "🅖🅡🅞🅔🅝🅔🅦🅔🅖🅔🅝", "🅶🆁🅾🅴🅽🅴🆆🅴🅶🅴🅽", "🇬🇷🇴🇪🇳🇪🇼🇪🇬🇪🇳", "ɡroenewegen", "ᵍʳᵒᵉⁿᵉʷᵉᵍᵉⁿ")
}

func TestCleanHidesUsualRespellings(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "Dykstra", "Dÿkstra", "DYKSTRA", "Dĳkstra", "Ysselstein", "ĲSSELSTEIN", "Wyk", "Wĳk", "Wÿk", "Nymegen", "van Nymegen", "Vyverlaan", "IJpe", "Wijngaert", "wĳngaert",
		"Djordjevic", "DJORDJEVIĆ", "Đorđević", "Djordje", "Dordevic", "Straus", "Strauss", "Straub", "STRAUB", "Weisdornmühle", "Weibdornmuehle", "Weissdornmuhle",
		"Guthmundsson", "Gudmundsson", "Gudhmundsson"[:3]+"mundsson", "Thorgeir", "thorgeir")
	wantReadable(t, "we may try my key", "an ijzer", "wy ky", "the library")
	back := personalOf([]Holder{{LastName: "Djordjevic", City: "Nymegen"}})()
	if got := newScrubber(testSecret).clean("Đorđević of Nĳmegen", back); got != "[personal] of [personal]" {
		t.Errorf("what was ordered without the letters: %q", got)
	}
}

func TestCleanHidesTheDigitsOfAPostalCode(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(respelled())()
	for text, want := range map[string]string{
		"postcode 2371 is wrong":   "postcode [personal] is wrong",
		`{"postalcode":"2371"}`:    `{"postalcode":"[personal]"}`,
		"no postal code: 2371.":    "no postal code: [personal].",
		"2371 is no postcode":      "2371 is no postcode",
		"the 2371 postcode":        "the [personal] postcode",
		"zip=2371&x=2":             "zip=[personal]&x=2",
		"2371 requests, port 2371": "2371 requests, port 2371",
		"postcode 23715":           "postcode 23715",
	} {
		if got := s.clean(text, hidden); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestCleanHidesLettersInARow(t *testing.T) {
	t.Parallel()
	row := func(text, format, between string) string {
		var all []string
		for _, r := range text {
			all = append(all, fmt.Sprintf(format, r))
		}
		return strings.Join(all, between)
	}
	for _, name := range []string{"Groenewegen", "GIJSBERT", "Lefèvre", "Yıldırım", "Świętokrzyska"} {
		for _, text := range []string{
			row(name, "U+%04X", " "), row(name, "U+%04X", ""), row(name, "u+%04x", ", "), row(name, "0x%04X", " "), row(name, "&H%x", " "), row(name, "%d", ";"), row(name, "%d", "; "), row(name, "%d", " "), row(name, "%d", ", "),
			row(name, "chr(%d)", "+"), row(name, "chr(%d)", " + "), row(name, "CHAR(%d)", "||"), row(name, "NCHAR(0x%x)", " + "), row(name, "Chr(%d)", " & "), row(name, "chr(%d)", "."), row(name, "CHR(%d)", " || "),
			row(name, `\%x `, ""), row(name, `\%06x`, ""), row(name, `\%06X `, ""),
		} {
			wantRespelledHidden(t, text)
		}
	}
	const plain = "Groenewegen"
	wantRespelledHidden(t, row(plain, "%03o", " "), row(plain, "%o", ","), row(plain, "0%o", ", "), row(plain, "0o%o", " "), row(plain, "%08b", " "), row(plain, "%b", " "), row(plain, "%08b", ""), row(plain, "0b%b", ", "),
		row(plain, "%02x", "."), row(plain, "%02X", "|"), row(plain, `\%x`, ""), row(plain, `\%o`, ""), `Groenew\65 gen`, `Lef\e8 vre`, `Gr\00006Fenewegen`)
	wantReadable(t, "lines 10;20;30;40;50;60;70", "at 10.20.30.40.50.60", "char(10) and char(20)", `the path C:\data\23\45 is missing`, "0x10 0x20 0x30 0x40 0x50 0x60", "00000001 00000010 00000011 00000100 00000101")
}

// A name is found by itself as well, without the others of its holder.
func TestCleanHidesSingleNames(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	for name, texts := range map[string][]string{
		"Dijkstra":    {"DŸKSTRA", "dykstras"},
		"IJsselstein": {"ijsselsteins", "IJsselst..."},
		"Wĳk":         {"Wyk", "Wijk"},
		"Guðmundsson": {"Guomundsson", "Guthmundsson"},
		"Þorgeir":     {"Porgeir", "Thorgeir"},
		"Đorđević":    {"Djordjevic", "Dordevic"},
	} {
		hidden := newTerms([]string{name})
		for _, text := range texts {
			got := s.clean("cannot serve "+text+" today", hidden)
			if rest := strings.TrimSuffix(strings.TrimPrefix(got, "cannot serve "), " today"); strings.Contains(rest, text) || !strings.HasPrefix(rest, "[personal]") {
				t.Errorf("%s is left of %s in %q", text, name, got)
			}
		}
	}
	hidden := newTerms([]string{"Servicemans", "Domainer", "Kerkstraat", "Holdersma"})
	for _, innocent := range []string{"the service of the domain", "one holder, and all domains", "kerk en straat", "holders and services"} {
		if got := s.clean(innocent, hidden); got != innocent {
			t.Errorf("%q became %q", innocent, got)
		}
	}
}
