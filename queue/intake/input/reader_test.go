package input

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// everything reads to the end and gives what Next gave, in words: "3 example.nl" or "line 4: …".
func everything(t *testing.T, r *Reader) []string {
	t.Helper()
	var got []string
	for {
		record, err := r.Next()
		var rejected *RejectError
		switch {
		case errors.Is(err, io.EOF):
			return got
		case errors.As(err, &rejected):
			got = append(got, rejected.Error())
		case err != nil:
			return append(got, "final: "+err.Error())
		default:
			got = append(got, describe(record))
		}
	}
}

func describe(r Record) string {
	s := fmt.Sprintf("%d %s", r.Line, r.Domain.ASCII)
	if h := r.Holder; h != nil {
		var values []string
		for _, value := range h.Values() {
			values = append(values, *value)
		}
		s += " (" + strings.Trim(strings.Join(values, ","), ",") + ")"
	}
	if r.PeriodMonths != 0 {
		s += fmt.Sprintf(" %s %d %s", r.HolderID, r.PeriodMonths, strings.Join(r.Nameservers, "+"))
	}
	return strings.TrimSpace(s)
}

func newReader(t *testing.T, text string, opts Options) *Reader {
	t.Helper()
	reader, err := NewReader(strings.NewReader(text), opts)
	if err != nil {
		t.Fatalf("NewReader(%.40q): %v", text, err)
	}
	return reader
}

func TestWhois(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	tests := []struct {
		name, text string
		format     Format // that was found
		want       []string
	}{
		{"empty", "", FormatLines, nil},
		{"only comments", "# a\n\n#b", FormatLines, nil},
		{"lines", "# mine\n\nexample.nl\n  Bücher.NL \r\n#x\nexample.com", FormatLines, []string{"3 example.nl", "4 xn--bcher-kva.nl", "6 example.com"}},
		{"bom", "\ufeffexample.nl\n", FormatLines, []string{"1 example.nl"}},
		{"rejects go on", "www.example.nl\nexample.nl\nex\xffample.nl\nb.nl,c.nl\n", FormatLines, []string{
			`line 1: domain "www.example.nl" is a host under example.nl: give example.nl`,
			"2 example.nl",
			"line 3: domain \"ex\uFFFDample.nl\" is not UTF-8: save the file as UTF-8",
			`line 4: domain "b.nl…" has the character ',', which a domain cannot have`,
		}},
		{"too long", "example.nl\n" + long + "\nexample.com\n" + long, FormatLines, []string{
			"1 example.nl", "line 2: the line is longer than 128 bytes, and left out here", "3 example.com",
			"line 4: the line is longer than 128 bytes, and left out here",
		}},
		{"long comment", "#" + long + "\nexample.nl\n", FormatLines, []string{"2 example.nl"}},
		{"long blank", strings.Repeat(" ", 300) + "\nexample.nl\n", FormatLines, []string{"line 1: the line is longer than 128 bytes, and left out here", "2 example.nl"}},
		{"header alone", "Domain\nexample.nl\n# no\nexample.com\n", FormatCSV, []string{"2 example.nl", "4 example.com"}},
		{"quoted header", "\"domain\"\r\n\"example.nl\"\r\n", FormatCSV, []string{"2 example.nl"}},
		{"csv", "note;domain\n#1;example.nl\n\n ; \n;example.com\n", FormatCSV, []string{"2 example.nl", "5 example.com"}},
		{"ndjson", `{"domain":"example.nl","x":1}` + "\n# c\n\n" + `{"Domain":"Example.com"}`, FormatNDJSON, []string{"1 example.nl", "4 example.com"}},
		{"utf-16le", "\xff\xfee\x00.\x00n\x00l\x00\n\x00\xfc\x00b\x00.\x00n\x00l\x00\r\x00\n\x00", FormatLines, []string{"1 e.nl", "2 xn--b-dha.nl"}},
		{"utf-16be", "\xfe\xff\x00a\x00.\x00n\x00l\x00\n", FormatLines, []string{"1 a.nl"}},
		{"an address", "[2001:db8::1]\n", FormatLines, []string{`line 1: domain "[2001…" is an IP address, not a name`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reader := newReader(t, test.text, Options{Kind: "whois", MaxLineBytes: 128})
			if diff := cmp.Diff(test.want, everything(t, reader)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := reader.Stats().Format; got != test.format {
				t.Errorf("format %s, want %s", got, test.format)
			}
		})
	}
}

func TestRegisterCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{"comma", "domain,holder_id,period,nameservers\na.nl,H1,24,ns1.x.nl|NS2.x.nl.\nb.nl,H2,,\n",
			[]string{"2 a.nl H1 24 ns1.x.nl+ns2.x.nl", "3 b.nl H2 12"}},
		{"semicolon, crlf, bom", "\ufeffPeriod;Holder ID;Domain\r\n0;H1;a.nl\r\n12;H1;b.nl\r\n", []string{"2 a.nl H1 12", "3 b.nl H1 12"}},
		{"tab", "domain\tdomainholder-id\na.nl\tH1", []string{"2 a.nl H1 12"}},
		{"quotes", "\"domain\",\"nameservers\",\"holder\"\n\"a.nl\",\"ns1.x.nl, ns2.x.nl\",\"H\"\"1\"\n", []string{`2 a.nl H"1 12 ns1.x.nl+ns2.x.nl`}},
		{"many lines in quotes", "domain,note,holder_id\na.nl,\"one\r\n# two\n\"\"three\"\"\",H1\nb.nl,,H2\n", []string{"2 a.nl H1 12", "5 b.nl H2 12"}},
		{"comma before semicolon", "domain,a;b;c;d;e,holder_id\na.nl,x,H1\n", []string{"2 a.nl H1 12"}},
		{"comment with a quote", "domain,holder_id\n#,\"\na.nl,H1\n", []string{"3 a.nl H1 12"}},
		{"no holder", "domain,holder_id\na.nl,\nb.nl,jan@x.nl\nc.nl,two words\n", []string{
			"line 2: holder_id is missing: give the holder's id here, or the holder's details in columns of their own",
			"line 3: holder_id is an e-mail address: give the holder's id",
			"line 4: holder_id has a space or an invisible character in it: give the holder's id",
		}},
		{"periods", "domain,holder_id,period\na.nl,H1,120\nb.nl,H1,121\nc.nl,H1,-1\nd.nl,H1,1 year\n", []string{
			"2 a.nl H1 120",
			`line 3: period "121" is no period: give 1 to 120 months, or leave it out for 12`,
			`line 4: period "-1" is no period: give 1 to 120 months, or leave it out for 12`,
			`line 5: period is no period: give 1 to 120 months, or leave it out for 12`,
		}},
		{"name servers", "domain,holder_id,nameservers\na.nl,H1,ns1.x.nl\nb.nl,H1,ns1.x.nl NS1.x.nl\nc.nl,H1,ns1.x.nl 192.0.2.1\n", []string{
			"line 2: nameservers lists 1: give 2 to 13 name servers, or none",
			`line 3: nameservers "ns1.x.nl" is there twice: keep one`,
			`line 4: nameservers "192.0.2.1" is an IP address, not a name`,
		}},
		{"fields", "domain,holder_id\na.nl\nb.nl,H1,x\nc.nl,H\"1\nd.nl,\"H\"1\ne.nl,\"H1\xff\"\nf.nl,H1\n", []string{
			"line 2: the row ends after field 1 of 2",
			"line 3: the row has 3 fields where the header has 2: put quotes around a value with ',' in it",
			`line 4: the row is no CSV: bare " in non-quoted-field at byte 7: double a quote that is part of a value, and put quotes around that value`,
			`line 5: the row is no CSV: extraneous or missing " in quoted-field at byte 8: double a quote that is part of a value, and put quotes around that value`,
			"line 6: the row is not UTF-8: save the file as CSV UTF-8",
			"7 f.nl H1 12",
		}},
		{"open quote", "domain,holder_id\na.nl,H1\nb.nl,\"H1\nc.nl,H1\n", []string{
			"2 a.nl H1 12",
			`final: line 3: the file opens a quote (") here that is not closed within 65536 bytes: close it, or double it if it is part of the value`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, everything(t, newReader(t, test.text, Options{Kind: "register", IgnoreColumns: []string{AllColumns}}))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRegisterNDJSON(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{`{"domain":"a.nl","holder_id":"H1","period":24,"nameservers":["ns1.x.nl","ns2.x.nl"]}`, "1 a.nl H1 24 ns1.x.nl+ns2.x.nl"},
		{`{"domain":" a.nl","holder":12,"period":"24","nameservers":"ns1.x.nl ns2.x.nl"}`, "1 a.nl 12 24 ns1.x.nl+ns2.x.nl"},
		{`{"domain":"a.nl","holder_id":null,"period":null,"nameservers":[]}`, "1 a.nl H0 36"},
		{`{"domain":"a.nl","x":{"y":[1,{"domain":"b.nl"}]}}`, "1 a.nl H0 36"},
		{`{}`, `line 1: domain is empty: give a domain such as example.nl`},
		{`{"domain":["a.nl"]}`, "line 1: domain is a list: write one domain a line"},
		{`{"domain":true}`, "line 1: domain must be a string, a whole number or a list of strings"},
		{`{"domain":"a.nl","domain":"b.nl"}`, "line 1: domain is given twice: keep one"},
		{`{"domain":"a.nl","holder":"H1","holder_id":"H2"}`, "line 1: holder_id is given twice: keep one"},
		{`{"domain":"a.nl","holder_id":["H1"]}`, "line 1: holder_id is a list: a domain has one holder"},
		{`{"domain":"a.nl","period":[12]}`, "line 1: period is a list of other things than strings"},
		{`{"domain":"a.nl","period":["12"]}`, "line 1: period is a list: give one number of months"},
		{`{"domain":"a.nl","period":1e1}`, "line 1: period must be a whole number or a string"},
		{`{"domain":"a.nl","nameservers":["ns1.x.nl",2]}`, "line 1: nameservers is a list of other things than strings"},
		{`{"domain":"a.nl"`, "line 1: the line is no JSON: at column 16: unexpected end of JSON input"},
		{`{"domain":"a.nl",}`, "line 1: the line is no JSON: at column 18: invalid character '}' looking for beginning of object key string"},
		{`{"domain":"ü.nl" "x"}`, `line 1: the line is no JSON: at column 18: invalid character '"' after object key:value pair`},
		{`{"domain":"a.nl"} {"domain":"b.nl"}`, "line 1: the line goes on after its JSON object: write one object a line"},
		{`"a.nl"`, `line 1: the line is no JSON object: write {"domain":"example.nl"}`},
		{`a.nl`, `line 1: the line is no JSON: at column 1: invalid character 'a' looking for beginning of value`},
		{"{\"domain\":\"\xff.nl\"}", "line 1: the line is not UTF-8"},
	}
	for _, test := range tests {
		opts := Options{Kind: "register", Format: FormatNDJSON, DefaultHolderID: "H0", DefaultPeriodMonths: 36, IgnoreColumns: []string{"x", "note"}}
		if diff := cmp.Diff([]string{test.want}, everything(t, newReader(t, test.line+"\n", opts))); diff != "" {
			t.Errorf("%s -want +got:\n%s", test.line, diff)
		}
	}
}

func TestRegisterLinesWithDefaultHolder(t *testing.T) {
	t.Parallel()
	reader := newReader(t, "a.nl\nb.nl\n", Options{Kind: "register", DefaultHolderID: " H1 "})
	if diff := cmp.Diff([]string{"1 a.nl H1 12", "2 b.nl H1 12"}, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		opts       Options
		want       string // a part of the error
	}{
		{"no domain column", "naam;houder\nx;y\n", Options{Kind: "register"},
			`line 1: the file has no column domain: its first line has "naam", "houder". Write one domain a line, or begin with a header; the columns that count are domain, holder_id, period, nameservers`},
		{"no header", "a.nl,jan@example.nl\n", Options{Kind: "register"}, "its first line is no header: it has 2 values, as a job has"},
		{"no header, and people", "Jan,Jansen,jan@example.nl,shop,true\n", Options{Kind: "token"}, "its first line is no header: it has 5 values, as a job has"},
		{"no header, and a holder", "Jan;Jansen;Dorpsstraat 7;a.nl\n", Options{Kind: "register"}, "its first line is no header: it has 4 values, as a job has"},
		{"many columns", strings.Repeat("x,", 50), Options{Kind: "whois"}, `"x", …. Write`},
		{"column twice", "domain,holder,Holder_ID\n", Options{Kind: "register"}, "the column holder_id twice (holder and Holder_ID): keep one"},
		{"bad header", "domain,\"holder\"x\n", Options{Kind: "register"}, "has a header that is no CSV"},
		{"long header", "domain," + strings.Repeat("x", 70_000), Options{Kind: "whois"}, "header longer than 65536 bytes"},
		{"no holder in lines", "a.nl\n", Options{Kind: "register"}, "names no holder for any domain: give CSV with"},
		{"no holder in csv", "domain,period\na.nl,12\n", Options{Kind: "register"}, "names no holder for any domain: give CSV with"},
		{"json array", "[\n{\"domain\":\"a.nl\"}]\n", Options{Kind: "whois"}, "is a JSON array: write one object a line"},
		{"json array of strings", `["a.nl"]`, Options{Kind: "whois"}, "is a JSON array"},
		{"pretty json", "{\n  \"domain\": \"a.nl\"\n}\n", Options{Kind: "whois"}, "objects of several lines"},
		{"pretty json, later brace", "{ \"domain\": \"a.nl\",\n}\n", Options{Kind: "whois"}, "objects of several lines"},
		{"utf-16 without mark", "a\x00.\x00n\x00l\x00\n\x00", Options{Kind: "whois"}, "NUL bytes"},
		{"old mac", "a.nl\rb.nl\r" + strings.Repeat("c.nl\r", 20_000), Options{Kind: "whois"}, "as files of old Macs have, or one that is no text"},
		{"spreadsheet", "PK\x03\x04\x14\x00", Options{Kind: "whois"}, "spreadsheet"},
		{"gzip", "\x1f\x8b\x08", Options{Kind: "whois"}, "gzip"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewReader(strings.NewReader(test.text), test.opts)
			var unusable *FileError
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a *FileError with %q", err, test.want)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{
		{}, {Kind: "token"}, {Kind: "whois", Format: "xml"}, {Kind: "whois", MaxLineBytes: -1}, {Kind: "register", DefaultPeriodMonths: 121},
		{Kind: "register", DefaultHolderID: "jan@example.nl"}, {Kind: "register", DefaultHolderID: "a b"},
	} {
		_, err := NewReader(strings.NewReader("a.nl\n"), opts)
		if err == nil || strings.Contains(err.Error(), "jan@") {
			t.Errorf("NewReader with %+v: %v, want an error without the address", opts, err)
		}
		if _, err := FromArgs([]string{"a.nl"}, opts); err == nil {
			t.Errorf("FromArgs with %+v: no error", opts)
		}
	}
	if _, err := FromArgs([]string{"a.nl"}, Options{Kind: "register"}); err == nil || !strings.Contains(err.Error(), "no holder for the domains") {
		t.Errorf("FromArgs without a holder: %v", err)
	}
}

func TestFromArgs(t *testing.T) {
	t.Parallel()
	reader, err := FromArgs([]string{"a.nl", "", "#b.nl", "www.c.nl", "A.NL"}, Options{Kind: "whois"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 a.nl",
		"argument 2: domain is empty: give a domain such as example.nl",
		`argument 3: domain "…" has a scheme, a port or a path: give only the domain`,
		`argument 4: domain "www.c.nl" is a host under c.nl: give c.nl`,
	}
	if diff := cmp.Diff(want, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantStats := Stats{Format: FormatLines, Lines: 5, Records: 1, Rejects: 3, Duplicates: 1, FirstDuplicates: []Duplicate{{Line: 5, Domain: "a.nl"}}}
	if diff := cmp.Diff(wantStats, reader.Stats()); diff != "" {
		t.Errorf("stats -want +got:\n%s", diff)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	text := "domain,holder_id,period,nameservers,Note\n" +
		"a.nl,H1,12,ns1.x.nl ns2.x.nl,first\n" +
		"A.nl.,H1,,ns1.x.nl|ns2.x.nl,the same\n" +
		"a.nl,H2,12,ns1.x.nl ns2.x.nl,\n" +
		"a.nl,H1,24,,\n" +
		"b.nl,H1,,,\n"
	reader := newReader(t, text, Options{Kind: "register", IgnoreColumns: []string{"NOTE"}})
	want := []string{
		"2 a.nl H1 12 ns1.x.nl+ns2.x.nl",
		`line 4: domain "a.nl" is already given by an earlier line with another holder: keep the right one`,
		`line 5: domain "a.nl" is already given by an earlier line with another period and other name servers: keep the right one`,
		"6 b.nl H1 12",
	}
	if diff := cmp.Diff(want, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantStats := Stats{
		Format: FormatCSV, Lines: 6, Records: 2, Rejects: 2, Duplicates: 1,
		FirstDuplicates: []Duplicate{{Line: 3, Domain: "a.nl"}}, IgnoredColumns: []string{"Note"},
	}
	if diff := cmp.Diff(wantStats, reader.Stats()); diff != "" {
		t.Errorf("stats -want +got:\n%s", diff)
	}
}

func TestStatsAreBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, `{"domain":"a.nl","field%d":1,"%s":2}`+"\n", i, strings.Repeat("é", 200))
	}
	reader := newReader(t, text.String(), Options{Kind: "whois"})
	everything(t, reader)
	stats := reader.Stats()
	if len(stats.FirstDuplicates) != maxFirstDuplicates || stats.Duplicates != 99 || len(stats.IgnoredColumns) != maxIgnored {
		t.Errorf("stats %+v", stats)
	}
	if i := slices.IndexFunc(stats.IgnoredColumns, func(s string) bool { return len(s) > maxShown }); i >= 0 {
		t.Errorf("column name of %d bytes", len(stats.IgnoredColumns[i]))
	}
	stats.FirstDuplicates[0].Line = -1
	if reader.Stats().FirstDuplicates[0].Line == -1 {
		t.Error("Stats gives its own slice away")
	}
}

func TestMaxRecords(t *testing.T) {
	t.Parallel()
	reader := newReader(t, "a.nl\na.nl\nwww.x.nl\nb.nl\nb.nl\nc.nl\nd.nl\n", Options{Kind: "whois", MaxRecords: 2})
	want := []string{"1 a.nl", `line 3: domain "www.x.nl" is a host under x.nl: give x.nl`, "4 b.nl", "final: line 6: the file has more than 2 domains: split it"}
	if diff := cmp.Diff(want, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var unusable *FileError
	if _, err := reader.Next(); !errors.As(err, &unusable) {
		t.Errorf("after the end: %v, want the same error again", err)
	}
}

func TestMaxRecordsIsReadable(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 1235 {
		fmt.Fprintf(&text, "d%d.nl\n", i)
	}
	got := everything(t, newReader(t, text.String(), Options{Kind: "whois", MaxRecords: 1234}))
	if want := "final: line 1235: the file has more than 1,234 domains: split it"; got[len(got)-1] != want {
		t.Errorf("got %s, want %s", got[len(got)-1], want)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	if _, err := NewReader(iotest.ErrReader(broken), Options{Kind: "whois"}); !errors.Is(err, broken) {
		t.Errorf("NewReader: %v, want %v", err, broken)
	}
	// A line that the error cut short must not become a domain: b.co may have been b.com.
	reader, err := NewReader(io.MultiReader(strings.NewReader("a.nl\nb.co"), iotest.ErrReader(broken)), Options{Kind: "whois"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 a.nl", "final: read input: connection lost"}, everything(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := reader.Next(); !errors.Is(err, broken) {
		t.Errorf("after the end: %v, want %v", err, broken)
	}
}

// Whatever the pieces in which a file arrives, it reads the same.
func TestSmallReads(t *testing.T) {
	t.Parallel()
	text := "\ufeffdomain,holder_id,note\r\na.nl,H1,\"x\r\ny\"\r\nwww.b.nl,H1,\r\nc.nl,H2,\"z\"\"\"\r\n"
	opts := Options{Kind: "register", IgnoreColumns: []string{AllColumns}}
	reader, err := NewReader(iotest.OneByteReader(strings.NewReader(text)), opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(t, newReader(t, text, opts)), everything(t, reader)); diff != "" {
		t.Errorf("whole and piecemeal differ:\n%s", diff)
	}
}

func TestRejectErrorWrapsItsCause(t *testing.T) {
	t.Parallel()
	_, err := newReader(t, "jan.jansen@example.nl\n", Options{Kind: "whois"}).Next()
	var refusal *domainname.Error
	if !errors.As(err, &refusal) || refusal.Reason != domainname.ReasonEmail {
		t.Fatalf("got %v, want a *domainname.Error", err)
	}
	want := RejectError{Reject{Line: 1, Origin: OriginLine, Field: "domain", Raw: "…@example.nl", Reason: refusal.Text}}
	var got *RejectError
	if !errors.As(err, &got) || !cmp.Equal(*got, want, cmpopts.IgnoreUnexported(Reject{})) || strings.Contains(err.Error(), "jansen") {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
