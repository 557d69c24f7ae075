package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rejectsOf reads a file to its end and gives what RejectsWriter makes of its rejects.
func rejectsOf(t *testing.T, text string, opts Options) (rejects string, reader *Reader) {
	t.Helper()
	reader = newReader(t, text, opts)
	var out bytes.Buffer
	writer := NewRejectsWriter(&out, reader)
	for {
		_, err := reader.Next()
		var rejected *RejectError
		if errors.As(err, &rejected) {
			if err := writer.Write(rejected); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if errors.Is(err, io.EOF) {
			return out.String(), reader
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Each form of rejects file, what somebody mends in it, and what it then reads as.
func TestRejectsRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, rejects string
		mend                *strings.Replacer
		mended              []string
	}{
		{
			name: "lines", text: "# mine\na.nl\n www.b.nl\nc,nl\nd.nl\n",
			rejects: "# line 3: domain \"www.b.nl\" is a host under b.nl: give b.nl\n www.b.nl\n" +
				"# line 4: domain \"c…\" has the character ',', which a domain cannot have\nc,nl\n",
			mend: strings.NewReplacer("\n www.", "\n", "c,nl", "c.nl"), mended: []string{"2 b.nl H0 12", "4 c.nl H0 12"},
		},
		{
			name: "long line", text: "a.nl\n" + strings.Repeat("b", 600) + "\r\n",
			rejects: "# line 2: the line is longer than 500 bytes, and left out here\n",
			mend:    strings.NewReplacer(),
		},
		{
			name: "csv", text: "\ufeffholder_id;domain;note\r\nH1;www.b.nl;\"x;\r\ny\"\r\nH1;a.nl;\r\nH\"2;c.nl;\r\nH3\r\nH4;www.e.nl\r\nH5;f.nl\r\n",
			rejects: "\ufeffholder_id;domain;note;error\r\n" +
				"H1;www.b.nl;\"x;\r\ny\";\"line 2: domain \"\"www.b.nl\"\" is a host under b.nl: give b.nl\"\r\n" +
				"H\"2;c.nl;;\"line 5: the row is no CSV: bare \"\" in non-quoted-field at byte 2: double a quote that is part of a value, and put quotes around that value\"\r\n" +
				"H3;\"line 6: the row ends after field 1 of 3\"\r\n" +
				"H4;www.e.nl;;\"line 7: domain \"\"www.e.nl\"\" is a host under e.nl: give e.nl\"\r\n",
			mend:   strings.NewReplacer("www.", "", "H\"2", "H2", "H3;", "H3;d.nl;;"),
			mended: []string{"2 b.nl H1 12", "4 c.nl H2 12", "5 d.nl H3 12", "6 e.nl H4 12"},
		},
		{
			name: "csv that was a rejects file", text: "domain,error,holder_id\nwww.b.nl,\"an old\nerror\",H1\nc.nl,old\nd.nl,old,H1\n",
			rejects: "domain,error,holder_id\n" +
				"www.b.nl,\"line 2: domain \"\"www.b.nl\"\" is a host under b.nl: give b.nl\",H1\n" +
				"c.nl,old\n",
			mend:   strings.NewReplacer("\nwww.", "\n", ",old", ",old,H2"),
			mended: []string{"2 b.nl H1 12", "3 c.nl H2 12"},
		},
		{
			name: "csv with a long row", text: "domain,holder_id\na.nl," + strings.Repeat("H", 600) + "\n",
			rejects: "domain,holder_id,error\n,,\"line 2: the line is longer than 500 bytes, and left out here\"\n",
			mend:    strings.NewReplacer("\n,", "\na.nl,"), mended: []string{"2 a.nl H0 12"},
		},
		{
			name: "csv without quotes or second column", text: "domain\nwww.b.nl\n",
			rejects: "domain,error\nwww.b.nl,\"line 2: domain \"\"www.b.nl\"\" is a host under b.nl: give b.nl\"\n",
			mend:    strings.NewReplacer("\nwww.", "\n"), mended: []string{"2 b.nl H0 12"},
		},
		{
			name: "sep, fields too many", text: "sep=;\r\ndomain;holder_id\r\nwww.b.nl;H1;;\r\na.nl;H1;\r\n",
			rejects: "sep=;\r\ndomain;holder_id;error\r\nwww.b.nl;H1;\"line 3: domain \"\"www.b.nl\"\" is a host under b.nl: give b.nl\"\r\n",
			mend:    strings.NewReplacer("\nwww.", "\n"), mended: []string{"3 b.nl H1 12"},
		},
		{
			name: "errors of a spreadsheet", text: "domain,holder_id\n#N/A,H1\n#REF!,H2\n# a comment\na.nl,H3\n",
			rejects: "domain,holder_id,error\n" +
				"#N/A,H1,\"line 2: domain \"\"#N/A\"\" is what a spreadsheet shows instead of a value that it lacks: write the domain\"\n" +
				"#REF!,H2,\"line 3: domain \"\"#REF!\"\" is what a spreadsheet shows instead of a value that it lacks: write the domain\"\n",
			mend: strings.NewReplacer("#N/A,", "b.nl,", "#REF!,", "c.nl,"), mended: []string{"2 b.nl H1 12", "3 c.nl H2 12"},
		},
		{
			name: "ndjson", text: "{\"domain\":\"a.nl\"}\n{\"domain\":\"b.nl\",\"period\":13.5}\n{\"domain\":\n",
			rejects: "# line 2: period must be a whole number or a string\n{\"domain\":\"b.nl\",\"period\":13.5}\n" +
				"# line 3: the line is no JSON: at column 10: unexpected end of JSON input\n{\"domain\":\n",
			mend: strings.NewReplacer("13.5", "13", "n\":\n", "n\":\"c.nl\"}\n"), mended: []string{"2 b.nl H0 13", "4 c.nl H0 12"},
		},
		{
			name: "not utf-8", text: "a.nl\nb\xfc.nl\n",
			rejects: "# line 2: domain \"b\uFFFD.nl\" is not UTF-8: save the file as UTF-8\nb\xfc.nl\n",
			mend:    strings.NewReplacer("\xfc", "ü"), mended: []string{"2 xn--b-eha.nl H0 12"},
		},
		{
			name: "utf-16", text: "\xff\xfe" + utf16("domain;holder_id\r\nwww.é.nl;H1\r\n"),
			rejects: "\ufeffdomain;holder_id;error\r\nwww.é.nl;H1;\"line 2: domain \"\"www.é.nl\"\" is a host under é.nl: give é.nl\"\r\n",
			mend:    strings.NewReplacer("\nwww.", "\n"), mended: []string{"2 xn--9ca.nl H1 12"},
		},
		{name: "none", text: "a.nl\n", mend: strings.NewReplacer()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opts := Options{Kind: "register", DefaultHolderID: "H0", MaxLineBytes: 500, IgnoreColumns: []string{AllColumns}}
			rejects, _ := rejectsOf(t, test.text, opts)
			if diff := cmp.Diff(test.rejects, rejects); diff != "" {
				t.Fatalf("rejects -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(test.mended, everything(t, newReader(t, test.mend.Replace(rejects), opts))); diff != "" {
				t.Errorf("mended -want +got:\n%s", diff)
			}
			if strings.HasSuffix(rejects, "left out here\n") {
				return
			}
			if again, _ := rejectsOf(t, rejects, opts); strings.Count(again, "\n") != strings.Count(rejects, "\n") {
				t.Errorf("read again without mending:\n%s\nwant as much as\n%s", again, rejects)
			}
		})
	}
}

func utf16(s string) string {
	var b strings.Builder
	for _, r := range s { // only characters below U+10000 here
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}

// Mending every reject of a file yields, together with its records, all of its domains.
func TestMendedRejectsAreTheMissingRecords(t *testing.T) {
	t.Parallel()
	const n = 500
	forms := map[string]func(i int, domain string) string{
		"lines": func(_ int, domain string) string { return domain + "\n" },
		"csv": func(i int, domain string) string {
			return fmt.Sprintf("%s;H%d;\"a \"\"note\"\";\r\n%d\"\r\n", domain, i, i)
		},
		"ndjson": func(i int, domain string) string {
			return fmt.Sprintf("{\"domain\":%q,\"holder_id\":\"H%d\"}\n", domain, i)
		},
	}
	headers := map[string]string{"csv": "domain;holder_id;note\r\n"}
	for name, line := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := headers[name]
			for i := range n {
				domain := fmt.Sprintf("domain-%d.nl", i)
				if i%3 == 0 {
					domain = "www." + domain
				}
				text += line(i, domain)
			}
			opts := Options{Kind: "register", DefaultHolderID: "H0", IgnoreColumns: []string{AllColumns}}
			rejects, first := rejectsOf(t, text, opts)
			// Only where a line begins with its domain: the message names it too.
			mended := strings.NewReplacer("\nwww.", "\n", "{\"domain\":\"www.", "{\"domain\":\"").Replace(rejects)
			remaining, second := rejectsOf(t, mended, opts)
			if remaining != "" {
				t.Fatalf("still rejected:\n%s", remaining)
			}
			if got := first.Stats().Records + second.Stats().Records; got != n {
				t.Errorf("%d records before and %d after mending, want %d together", first.Stats().Records, second.Stats().Records, n)
			}
		})
	}
}

// An argument can be what no line of a file can be. It is then named and not repeated.
func TestRejectedArguments(t *testing.T) {
	t.Parallel()
	reader, err := FromArgs([]string{"www.a.nl", "", "#b", "c\nd.nl"}, Options{Kind: "whois"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	writer := NewRejectsWriter(&out, reader)
	for {
		_, err := reader.Next()
		var rejected *RejectError
		if !errors.As(err, &rejected) {
			break
		}
		if err := writer.Write(rejected); err != nil {
			t.Fatal(err)
		}
	}
	want := "# argument 1: domain \"www.a.nl\" is a host under a.nl: give a.nl\nwww.a.nl\n" +
		"# argument 2: domain is empty: give a domain such as example.nl\n" +
		"# argument 3: domain \"…\" has a scheme, a port or a path: give only the domain\n" +
		"# argument 4: domain \"c…\" has the invisible character U+000A, which a domain cannot have\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

type fullDisk struct{ err error }

func (d fullDisk) Write([]byte) (int, error) { return 0, d.err }

func TestRejectsWriterGivesWriteErrors(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	reader := newReader(t, "www.a.nl\n", Options{Kind: "whois"})
	_, err := reader.Next()
	var rejected *RejectError
	if !errors.As(err, &rejected) {
		t.Fatal(err)
	}
	if err := NewRejectsWriter(fullDisk{full}, reader).Write(rejected); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}
