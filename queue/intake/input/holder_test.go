package input

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

const (
	janHeader = "domain,firstname,lastname,email,phone,street,housenumber,postalcode,city,country"
	janCells  = "Jan,Jansen,jan@example.nl,+31 6 12345678,Kerkstraat,12,1234 AB,Dorp,nl"
	jan       = "(Jan,Jansen,jan@example.nl,+31612345678,Kerkstraat,12,1234 AB,Dorp,NL)"
)

func TestHolderDetailsInCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		byDefault  string
		want       []string
	}{
		{"person", janHeader + "\na.nl," + janCells + "\n", "", []string{"2 a.nl " + jan + "  12"}},
		{"company, other names", "Domain;Organisation;E-mail;Telephone;Street;House Number;Postcode;Town;Country-Code;period\n" +
			"a.nl;Bakkerij;b@example.be;+32.2.5551234;Markt;1;1000;Brussel;BE;24\n", "",
			[]string{"2 a.nl (Bakkerij,,,b@example.be,+3225551234,Markt,1,1000,Brussel,BE)  24"}},
		{"holder_ before the names", strings.ReplaceAll(janHeader, ",", ",holder_") + "\na.nl," + janCells + "\n", "", []string{"2 a.nl " + jan + "  12"}},
		{"details before the default", janHeader + "\na.nl," + janCells + "\nb.nl" + strings.Repeat(",", 9) + "\n", "H0",
			[]string{"2 a.nl " + jan + "  12", "3 b.nl H0 12"}},
		{"neither", janHeader + "\nb.nl" + strings.Repeat(",", 9) + "\n", "",
			[]string{"line 2: holder_id is missing: give the holder's id here, or the holder's details in columns of their own"}},
		{"both", janHeader + ",holder_id\na.nl," + janCells + ",H1\nb.nl" + strings.Repeat(",", 9) + ",H1\nc.nl,,,,,,,,Dorp,,H1\n", "", []string{
			"line 2: holder_id is given, and so is the holder's firstname: give the id, or the details, and leave the other empty",
			"3 b.nl H1 12",
			"line 4: holder_id is given, and so is the holder's city: give the id, or the details, and leave the other empty",
		}},
		{"incomplete", "domain,email,city\na.nl,jan@example.nl,\n", "H0", []string{
			"line 2: firstname is missing, and so are lastname, phone, street, housenumber, postalcode, city, country: a holder is a person with firstname and lastname, or a company",
		}},
		{"bad", janHeader + "\na.nl,Jan,Jansen,jan,+31612345678,Kerkstraat,12,1234 AB,Dorp,NL\nb.nl,Jan,Jansen,jan@example.nl,0612345678,Kerkstraat,12,1234 AB,Dorp,NL\n" +
			"c.nl,Jan,Jansen,jan@example.nl,+31612345678,Kerkstraat,12,1234 AB,Dorp,Nederland\n", "", []string{
			"line 2: email is no e-mail address that can be used: give one such as name@example.nl",
			"line 3: phone is no number in international form (E.164): write + and the country code first, such as +31612345678",
			"line 4: country is no country code (ISO 3166-1 alpha-2): give two letters, such as NL, BE or DE",
		}},
		{"same person twice", janHeader + "\na.nl," + janCells + "\na.nl," + strings.ToUpper(janCells) + "\na.nl," + strings.Replace(janCells, "12,", "13,", 1) + "\n", "", []string{
			"2 a.nl " + jan + "  12",
			`line 4: domain "a.nl" is already given by an earlier line with another holder: keep the right one`,
		}},
		{"a period that is a name", janHeader + ",period\na.nl," + janCells + ",Jansen\n", "", []string{
			"line 2: period is no period: give 1 to 120 months, or leave it out for 12",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := everything(t, newReader(t, test.text, Options{Kind: "register", DefaultHolderID: test.byDefault}))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestHolderDetailsInNDJSON(t *testing.T) {
	t.Parallel()
	const flat = `"firstname":"Jan","lastname":"Jansen","email":"jan@example.nl","phone":"+31612345678","street":"Kerkstraat","housenumber":12,"postalcode":"1234 AB","city":"Dorp","country":"NL"`
	tests := []struct{ line, want string }{
		{`{"domain":"a.nl",` + flat + `}`, "1 a.nl " + jan + "  12"},
		{`{"domain":"a.nl","holder":{` + flat + `}}`, "1 a.nl " + jan + "  12"},
		{`{"domain":"a.nl","DomainHolder":{` + flat + `,"note":"x","holder":{"city":"y"}}}`, "1 a.nl " + jan + "  12"},
		{`{"domain":"a.nl","holder":{"id":"H1"}}`, "1 a.nl H1 12"},
		{`{"domain":"a.nl","holder":{}}`, "1 a.nl H0 12"},
		{`{"domain":"a.nl","holder":{"domain":"b.nl"}}`, "1 a.nl H0 12"},
		{`{"domain":"a.nl","id":"H1"}`, "1 a.nl H0 12"},
		{`{"domain":"a.nl","holder":{"id":"H1",` + flat + `}}`, "line 1: holder_id is given, and so is the holder's firstname: give the id, or the details, and leave the other empty"},
		{`{"domain":"a.nl","holder_id":"H1",` + flat + `}`, "line 1: holder_id is given, and so is the holder's firstname: give the id, or the details, and leave the other empty"},
		{`{"domain":"a.nl","email":"x@y.nl","holder":{` + flat + `}}`, "line 1: email is given twice: keep one"},
		{`{"domain":"a.nl","holder_id":"H1","holder":{"id":"H1"}}`, "line 1: holder_id is given twice: keep one"},
		{`{"domain":"a.nl","holder":{"id":{}}}`, "line 1: holder_id must be a string, a whole number or a list of strings"},
		{`{"domain":"a.nl","email":["jan@example.nl"]}`, "line 1: email is a list: a holder has one"},
		{`{"domain":"a.nl","email":{"jan":1}}`, "line 1: email must be a string, a whole number or a list of strings"},
		{`{"domain":"a.nl","city":true}`, "line 1: city must be a string, a whole number or a list of strings"},
	}
	for _, test := range tests {
		opts := Options{Kind: "register", Format: FormatNDJSON, DefaultHolderID: "H0", IgnoreColumns: []string{AllColumns}}
		if diff := cmp.Diff([]string{test.want}, everything(t, newReader(t, test.line+"\n", opts))); diff != "" {
			t.Errorf("%s -want +got:\n%s", test.line, diff)
		}
	}
}

// A WHOIS order has no holders: their columns mean nothing to it.
func TestWhoisIgnoresHolders(t *testing.T) {
	t.Parallel()
	reader := newReader(t, janHeader+"\na.nl,,,jan,,,,,,\n", Options{Kind: "whois"})
	if diff := cmp.Diff([]string{"2 a.nl"}, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whatever is wrong with a line, its error does not repeat what may be somebody's.
func TestRejectsNeverRepeatDetails(t *testing.T) {
	t.Parallel()
	good := strings.Split(janCells, ",")
	for i := range good {
		for _, bad := range []string{"secret\u200bvalue", strings.Repeat("secret-value ", 30), "secret@value@x", "secret\xffvalue", "[\"secret\",\"value\"]"} {
			cells := append([]string{"a.nl"}, good...)
			cells[i+1] = `"` + strings.ReplaceAll(bad, `"`, `""`) + `"`
			rejected := ""
			reader := newReader(t, janHeader+"\n"+strings.Join(cells, ",")+"\n", Options{Kind: "register"})
			_, err := reader.Next()
			var reject *RejectError
			if errors.As(err, &reject) {
				rejected = fmt.Sprintf("%v %+v", err, reject.Reject.Raw)
			}
			for _, personal := range append(good, "secret", "value") {
				if len(personal) > 2 && strings.Contains(rejected, personal) {
					t.Errorf("%s is in %q", personal, rejected)
				}
			}
			var refusal *holder.Error
			if errors.As(err, &refusal) && refusal.Field != strings.Split(janHeader, ",")[i+1] {
				t.Errorf("%s is blamed for %s", refusal.Field, strings.Split(janHeader, ",")[i+1])
			}
		}
	}
}
