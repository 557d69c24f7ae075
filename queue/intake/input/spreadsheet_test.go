package input

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

func TestFilesAsSpreadsheetsSaveThem(t *testing.T) {
	t.Parallel()
	long := "domain,holder_id,period,nameservers,allow_status,note\n"
	tests := []struct {
		name, text string
		byDefault  string
		want       []string
	}{
		{"empty fields dropped", long + "a.nl,H1\nb.nl,H1,24\nc.nl,H1,,ns1.x.nl ns2.x.nl\nd.nl,H1,,,premium\ne.nl,H1,,,,\n", "",
			[]string{"2 a.nl H1 12", "3 b.nl H1 24", "4 c.nl H1 12 ns1.x.nl+ns2.x.nl", "5 d.nl H1 12", "6 e.nl H1 12"}},
		{"the holder dropped", long + "a.nl\n", "", []string{"line 2: the row ends after field 1 of 6"}},
		{"the holder dropped, with another one by default", long + "a.nl\nb.nl,\n", "H0", []string{"line 2: the row ends after field 1 of 6", "3 b.nl H0 12"}},
		{"the domain dropped", "holder_id,note,domain\nH1,x\n", "", []string{"line 2: the row ends after field 2 of 3"}},
		{"details dropped beside an id", "domain,holder_id,email,city\na.nl,H1\n", "", []string{"2 a.nl H1 12"}},
		{"half a holder", "domain,company,email,city,country\na.nl,Bakkerij,b@x.nl\n", "H0",
			[]string{"line 2: phone is missing, and so are street, housenumber, postalcode, city, country: give all of the holder's details"}},
		{"no column for holders", "domain,period,nameservers\na.nl\n", "H0", []string{"2 a.nl H0 12"}},
		{"empty fields too many", "domain,holder_id\na.nl,H1,,,\nb.nl,H1, ,\nc.nl,H1,,x\n", "", []string{"2 a.nl H1 12", "3 b.nl H1 12",
			"line 4: the row has 4 fields where the header has 2: put quotes around a value with ',' in it"}},
		{"sep", "sep=;\r\ndomain;holder_id\r\na.nl;H1\r\n", "", []string{"3 a.nl H1 12"}},
		{"sep in quotes", "\ufeff\"sep=;\"\ndomain;a,b,c,d;holder_id\na.nl;x;H1\n", "", []string{"3 a.nl H1 12"}},
		{"sep of a wide table", "SEP=,,,\ndomain,holder_id,period\na.nl,H1,24\n", "", []string{"3 a.nl H1 24"}},
		{"a tab", "sep=\t\ndomain\tholder_id\na.nl\tH1\n", "", []string{"3 a.nl H1 12"}},
		{"comments are none", "domain,holder_id\n#N/A,H1\n# N/A,H1\n#VALUE!\na.nl,H1\n", "", []string{
			`line 2: domain "#N/A" is what a spreadsheet shows instead of a value that it lacks: write the domain`,
			"line 4: the row ends after field 1 of 2",
			"5 a.nl H1 12",
		}},
		{"ids that were lost", "domain,holder_id\na.nl,1.23457E+11\nb.nl,#N/A\nc.nl,#REF!\nd.nl,=A2\ne.nl,NULL\nf.nl,-\ng.nl,'0012\n", "", []string{
			"line 2: holder_id is a number that a spreadsheet has rounded, so that the id is lost: format the column as text and copy the ids anew",
			"line 3: holder_id is what a spreadsheet shows instead of a value that it lacks: give the holder's id",
			"line 4: holder_id is what a spreadsheet shows instead of a value that it lacks: give the holder's id",
			"line 5: holder_id is what a spreadsheet shows instead of a value that it lacks: give the holder's id",
			"line 6: holder_id is a word or a sign for no value: give the holder's id, or leave it empty",
			"line 7: holder_id is a word or a sign for no value: give the holder's id, or leave it empty",
			"line 8: holder_id begins with the apostrophe that marks text in a spreadsheet: leave it out",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := everything(t, newReader(t, test.text, Options{Kind: "register", DefaultHolderID: test.byDefault, IgnoreColumns: []string{AllColumns}}))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSepThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sep=|\ndomain|holder_id\n": "line 1: the file names '|' as what separates its values (sep=): save it with commas, semicolons or tabs",
		"sep=;\n":                   "the file has a line sep= and no header after it",
		"sep=;\na;b\n":              `line 2: the file has no column domain: its first line has "a", "b"`,
	} {
		if _, err := NewReader(strings.NewReader(text), Options{Kind: "register"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Whoever fixes a line learns of everything that is wrong with it.
func TestAllFaultsOfALine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"domain,holder_id,period,nameservers\nwww.a.nl,#N/A,x,ns1\n": `line 2: domain "www.a.nl" is a host under a.nl: give a.nl; ` +
			"holder_id is what a spreadsheet shows instead of a value that it lacks: give the holder's id; " +
			`period "x" is no period: give 1 to 120 months, or leave it out for 12; nameservers lists 1: give 2 to 13 name servers, or none`,
		janHeader + ",period\na.nl,Jan,Jansen,jan,06,Kerkstraat,12,1234 AB,Dorp,NLD,0.5\n": "line 2: email is no e-mail address that can be used: " +
			"give one such as name@example.nl; phone is no number in international form (E.164): write + and the country code first, such as +31612345678; " +
			"country is no country code (ISO 3166-1 alpha-2): give two letters, such as NL, BE or DE; period \"0.5\" is no period: give 1 to 120 months, or leave it out for 12",
		`{"domain":true,"period":1.5,"holder_id":["x"],"allow_status":[1]}` + "\n": "line 1: domain must be a string, a whole number or a list of strings; " +
			"period must be a whole number or a string; allow_status is a list of other things than strings; holder_id is a list: a domain has one holder",
	} {
		got := everything(t, newReader(t, text, Options{Kind: "register"}))
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestWholeYears(t *testing.T) {
	t.Parallel()
	text := "domain,holder_id,period\na.nl,H1,12\nb.nl,H1,2\nc.nl,H1,120\nd.nl,H1,\n"
	want := []string{"2 a.nl H1 12", `line 3: period "2" is no whole number of years: it counts months, such as 12 or 24`, "4 c.nl H1 120", "5 d.nl H1 12"}
	if diff := cmp.Diff(want, everything(t, newReader(t, text, Options{Kind: "register", WholeYears: true}))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSuffixesOfAFile(t *testing.T) {
	t.Parallel()
	suffixes, err := domainname.ParseSuffixes("co.nl")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"whois", "register"} {
		r := newReader(t, "foo.co.nl\n", Options{Kind: kind, DefaultHolderID: "H1", Suffixes: suffixes})
		if record, err := r.Next(); err != nil || record.Domain.ASCII != "foo.co.nl" {
			t.Errorf("%s: %+v, %v", kind, record, err)
		}
	}
}
