package holder

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func person() Details {
	return Details{
		FirstName: "Joëlle", LastName: "de Vries", Email: "joelle@example.nl", Phone: "+31612345678",
		Street: "Kerkstraat", HouseNumber: "12", PostalCode: "1234 AB", City: "Ons Dorp", Country: "NL",
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Details)
		want   string // the error; "" for none
	}{
		"person":                     {func(*Details) {}, ""},
		"company":                    {func(d *Details) { d.Company, d.FirstName, d.LastName = "Bakkerij B.V.", "", "" }, ""},
		"company with half a person": {func(d *Details) { d.Company, d.FirstName = "Bakkerij", "" }, ""},
		"half a person": {func(d *Details) { d.LastName = "" },
			"lastname is missing: a holder is a person with firstname and lastname, or a company"},
		"nobody": {func(d *Details) { d.FirstName, d.LastName, d.City = "", " ", "" },
			"firstname is missing, and so are lastname, city: a holder is a person with firstname and lastname, or a company"},
		"no city":        {func(d *Details) { d.City = "" }, "city is missing: give all of the holder's details"},
		"long name":      {func(d *Details) { d.LastName = strings.Repeat("é", 65) }, "lastname is longer than 64 characters: shorten it"},
		"longest name":   {func(d *Details) { d.LastName = strings.Repeat("é", 64) }, ""},
		"long number":    {func(d *Details) { d.HouseNumber = strings.Repeat("1", 17) }, "housenumber is longer than 16 characters: shorten it"},
		"hidden":         {func(d *Details) { d.City = "Ons\u200bDorp" }, "city has an invisible or broken character in it: write it anew"},
		"replaced":       {func(d *Details) { d.City = "Ons\uFFFDDorp" }, "city has an invisible or broken character in it: write it anew"},
		"not UTF-8":      {func(d *Details) { d.Street = "Kerk\xff" }, "street is not UTF-8: save the file as UTF-8"},
		"two lines":      {func(d *Details) { d.Street = "Kerk\nstraat" }, ""},
		"bad e-mail":     {func(d *Details) { d.Email = "joelle" }, "email is no e-mail address that can be used: give one such as name@example.nl"},
		"national phone": {func(d *Details) { d.Phone = "0612345678" }, "phone is no number in international form (E.164): write + and the country code first, such as +31612345678"},
		"all at once": {func(d *Details) { d.Email, d.Phone, d.City, d.Country = "x", "06", "", "NLD" },
			"email is no e-mail address that can be used: give one such as name@example.nl; " +
				"phone is no number in international form (E.164): write + and the country code first, such as +31612345678; " +
				"country is no country code (ISO 3166-1 alpha-2): give two letters, such as NL, BE or DE; " +
				"city is missing: give all of the holder's details"},
		"trunk 0": {func(d *Details) { d.Phone = "+31 0612345678" },
			"phone has a 0 after its country code +31: leave that 0 out, which is dialled within the country only"},
		"no code in the Netherlands": {func(d *Details) { d.PostalCode = "" }, "postalcode is missing: give all of the holder's details"},
		"no code in Hong Kong":       {func(d *Details) { d.PostalCode, d.Country = "", "hk" }, ""},
		"no number in Germany":       {func(d *Details) { d.HouseNumber, d.Country = "", "DE" }, "housenumber is missing: give all of the holder's details"},
		"a box in the Emirates":      {func(d *Details) { d.PostalCode, d.HouseNumber, d.Street, d.Country = "", "", "P.O. Box 12", "AE" }, ""},
		"no country":                 {func(d *Details) { d.PostalCode, d.Country = "", "" }, "postalcode is missing, and so is country: give all of the holder's details"},
		"an error for a city":        {func(d *Details) { d.City = "#N/A" }, "city is what a spreadsheet shows instead of a value that it lacks: write the value itself"},
		"a formula for a name":       {func(d *Details) { d.Company = "=B2" }, "company is what a spreadsheet shows instead of a value that it lacks: write the value itself"},
		"a rounded number":           {func(d *Details) { d.PostalCode = "1.23E+05" }, "postalcode is a number that a spreadsheet has rounded: format the column as text and write the value anew"},
		"a man named Null":           {func(d *Details) { d.LastName = "Null" }, ""},
		"long country":               {func(d *Details) { d.Country = "NLD" }, "country is no country code (ISO 3166-1 alpha-2): give two letters, such as NL, BE or DE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := person()
			tc.change(&d)
			got, err := Check(d)
			if message := fmt.Sprint(err); (err != nil || tc.want != "") && message != tc.want {
				t.Errorf("got %v, want %v", message, tc.want)
			}
			var refusal *Error
			if err != nil && (!errors.As(err, &refusal) || got != Details{}) {
				t.Errorf("%T, and details with it", err)
			}
			if err == nil {
				if again, err := Check(got); err != nil || again != got {
					t.Errorf("checked again it is another, %v", err)
				}
			}
		})
	}
}

func TestNormalForms(t *testing.T) {
	t.Parallel()
	for field, cases := range map[string]map[string]string{ // "" is refused
		"email": {
			"a@b.nl": "a@b.nl", " Jan.De+Vries@EXAMPLE.nl ": "Jan.De+Vries@example.nl", "a@bücher.de": "a@xn--bcher-kva.de",
			"o'brien@example.nl": "o'brien@example.nl", strings.Repeat("a", 64) + "@b.nl": strings.Repeat("a", 64) + "@b.nl",
			"@b.nl": "", "a@": "", "a@b": "", "a@b.nl.": "", "a.@b.nl": "", ".a@b.nl": "", "a..b@b.nl": "", "a b@c.nl": "", "a@b@c.nl": "",
			"Jan <a@b.nl>": "", `"a"@b.nl`: "", "a@[192.0.2.1]": "", "a@192.0.2.1": "", "a,b@c.nl": "", "ä@b.nl": "", "a@b..nl": "",
			strings.Repeat("a", 65) + "@b.nl": "", "abcd@" + strings.Repeat("b234567.", 31) + "nl": "", "mailto:a@b.nl": "",
		},
		"phone": {
			"+31612345678": "+31612345678", "+31 6 1234-56.78": "+31612345678", "+1234567": "+1234567", "+123456789012345": "+123456789012345",
			"0612345678": "", "0031612345678": "", "31612345678": "", "+31 (0)6 12345678": "", "+123456": "", "+1234567890123456": "",
			"+31\u00a06\u202f1234\u20115678": "+31612345678", "+31\u20126\u201312345678": "+31612345678", "\u202a+31 6 12345678\u202c": "+31612345678",
			"＋３１ ６ １２３４５６７８": "+31612345678", "+31\u22126\u00ad12345678": "+31612345678", "+1 (212) 555\u30fb0100": "+12125550100", "+49（30）123456": "+4930123456",
			"+49 30/123456": "", "+31 (6 12345678": "", "+31 )6( 12345678": "", "+31 ((6)) 12345678": "", "+31 (0) 6 12345678": "", "+39 (0)6 12345678": "",
			"+31 0612345678": "", "+31 06 12345678": "", "+49 (030) 123456": "", "+44 020 79460000": "", "+353 01 2345678": "", "+1 0212 5550100": "", "+36 06 1 2345678": "",
			"+39 06 12345678": "+390612345678", "+39 06 69812345": "+390669812345", "+378 0549 882345": "+3780549882345", "+379 06 69812345": "+3790669812345",
			"+225 07 01 02 03 04": "+2250701020304", "+229 01 90 01 12 34": "+2290190011234", "+241 06 03 12 34": "+24106031234",
			"+242 06 123 4567": "+242061234567", "+226 07 12 34 56": "+22607123456", "+250 06 123456": "+25006123456", "+250 078 123 4567": "", "+33 01 23 45 67 89": "",
			"+0612345678": "", "+": "", "+31 6x12345678": "", "++31612345678": "", "+31٦12345678": "",
		},
		"country":    {"NL": "NL", "be": "BE", " De": "DE", "GB": "GB", "UK": "", "EU": "", "XK": "", "AN": "", "ZZ": "", "001": "", "N": "", "N L": "", "Nederland": ""},
		"postalcode": {"1234  AB ": "1234 AB", "SW1A 1AA": "SW1A 1AA"},
		"city":       {"e\u0301\u00a0b": "é b"},
	} {
		for given, want := range cases {
			got, why := normalise(field, given)
			if got != want || (why == "") == (want == "") {
				t.Errorf("%s %q: %q, %q; want %q", field, given, got, why, want)
			}
		}
	}
}

// What is known of countries is known of countries that there are.
func TestCountriesOfAddresses(t *testing.T) {
	t.Parallel()
	for _, list := range []string{withoutPostalCodes, withoutHouseNumbers} {
		for country := range strings.SplitSeq(list, " ") {
			if got, why := normaliseCountry(country); got != country || why != "" {
				t.Errorf("%q %s", country, why)
			}
		}
	}
}

// ISO 3166-1 has 249 officially assigned codes.
func TestCountries(t *testing.T) {
	t.Parallel()
	n := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if _, why := normaliseCountry(string(a) + string(b)); why == "" {
				n++
			}
		}
	}
	if n != 249 {
		t.Errorf("%d countries, want 249", n)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	same := person()
	same.FirstName, same.LastName, same.Email = "JOE\u0308LLE", " De  Vries", "Joelle@Example.nl"
	same.Phone, same.PostalCode, same.Country = "+31 (6) 1234.5678", "1234ab", "nl"
	if same.Digest() != person().Digest() {
		t.Error("what means nothing makes another holder")
	}
	seen := map[[32]byte]string{person().Digest(): "as it was"}
	for i, field := range Fields() {
		d := person()
		*d.Values()[i] += "x"
		if other, found := seen[d.Digest()]; found {
			t.Errorf("%s has the digest of %s", field, other)
		}
		seen[d.Digest()] = field
	}
	shifted := person()
	shifted.FirstName, shifted.LastName = "Joëlle de", "Vries"
	if _, found := seen[shifted.Digest()]; found {
		t.Error("a word may move to the next field")
	}
	// The digest is kept in databases: it must not change from one version to the next.
	const want = "a1a34d59b5a290565549438746e06f399c293dfb578ef30ec270bc15c4640263"
	if got := fmt.Sprintf("%x", (Details{}).Digest()); got != want {
		t.Errorf("digest of nothing %s, want %s", got, want)
	}
}

func TestDetailsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	d := person()
	for _, text := range []string{fmt.Sprint(d), fmt.Sprintf("%v %+v %#v %s %q", d, d, d, d, d), fmt.Sprint(&d), fmt.Sprint([]Details{d}), fmt.Sprintf("%+v", struct{ D Details }{d})} {
		if strings.Contains(text, "Vries") || strings.Contains(text, "example") {
			t.Errorf("printed %s", text)
		}
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Details
	if err := json.Unmarshal(encoded, &back); err != nil || !cmp.Equal(back, d) {
		t.Errorf("lost on the way through JSON: %v", err)
	}
}

// FuzzCheck gives any text to any field. What is taken stays as it is when checked again, and no error repeats it.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "a@b.nl", "\"x\"@b.nl", "+31 6 12345678", "\u202a+31\u00a0(0)\u20126", "#REF!", "=A1", "1,2E+3", "NL", "uk", "Ons\u200bDorp", "\xff", "1234 AB", strings.Repeat("é", 70), "a@xn--zz.nl", "İ@b.nl"} {
		for i := range Fields() {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, field uint8, value string) {
		d := person()
		i := int(field) % len(Fields())
		*d.Values()[i] = value
		got, err := Check(d)
		if err != nil {
			if words := strings.TrimSpace(value); len(words) > 12 && strings.Contains(err.Error(), words) && !strings.Contains(staticTexts(t), words) {
				t.Errorf("the error repeats the value: %v", err)
			}
			return
		}
		again, err := Check(got)
		if err != nil || again != got || again.Digest() != got.Digest() {
			t.Errorf("%s %q: checked again it is another, %v", Fields()[i], value, err)
		}
		if d.Digest() != got.Digest() && Fields()[i] != "email" { // an IDN has two forms
			t.Errorf("%s %q: the normal form is another holder", Fields()[i], value)
		}
	})
}

// staticTexts is every word that an error may have of its own.
func staticTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for i := range Fields() {
		for _, bad := range []string{"", "\xff", "\u200b", strings.Repeat("x", 300), "?"} {
			d := person()
			*d.Values()[i] = bad
			if _, err := Check(d); err != nil {
				all.WriteString(err.Error() + "\n")
			}
		}
	}
	return all.String()
}
