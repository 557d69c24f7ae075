package input

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// FuzzReader reads any bytes. Whatever they are: no panic, only good domains, each of them once, lines in rising order,
// counts that add up, and rejects that read again as so many rows.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"a.nl\nb.nl\na.nl\nwww.c.nl\n", "domain\na.nl\n", "# x\n\na.nl\r\n", "\ufeffdomain;holder_id\r\nb.nl;\"H;\r\n1\"\r\n;;\r\n",
		"domain,holder_id,period,nameservers\na.nl,H1,12,\"ns1.x.nl,ns2.x.nl\"\na.nl,H2,13,\nb.nl,\"H\"1,,\nc.nl,H\n",
		"sep=;\ndomain;holder_id;period\na.nl;H1\nb.nl;1.2E+5;;;\n#N/A;H1\nc.nl;=A2;x\n", "\"sep=\t\"\ndomain\tx\n#REF!\n", "sep=;", "sep=\n", ",domAin\n0\n", "#N/A\na.nl\n",
		"domain,error,holder_id\nwww.a.nl,\"x\ny\",H1\nb.nl,\n", "{\"domain\":\"a.nl\",\"nameservers\":[\"ns1.x.nl\",\"ns2.x.nl\"],\"x\":1}\n{\n",
		janHeader + "\na.nl," + janCells + "\nb.nl,,,,,,,,,\nc.nl,Jan\n", "{\"domain\":\"a.nl\",\"holder\":{\"email\":\"a@b.nl\",\"id\":1}}\n{\"domain\":\"b.nl\",\"holder\":{\"holder\":{}}}\n",
		"\xff\xfea\x00.\x00n\x00l\x00", "[\n", "note\tdomain\n#\ta.nl\n", "domain,x\n#,\"\na.nl,\"\"\"\n\"\n", strings.Repeat("a", 300) + "\nb.nl\n", strings.Repeat(" ", 300), "#" + strings.Repeat(" ", 300) + "\na.nl",
	} {
		f.Add([]byte(seed), true, uint8(0))
		f.Add([]byte(seed), true, uint8(4)) // unknown columns are passed over
		f.Add([]byte(seed), false, uint8(1))
	}
	formats := []Format{FormatAuto, FormatLines, FormatCSV, FormatNDJSON}
	f.Fuzz(func(t *testing.T, data []byte, register bool, format uint8) {
		opts := Options{Kind: "whois", Format: formats[int(format)%len(formats)], MaxLineBytes: 256, MaxRecords: 50}
		if register {
			opts.Kind, opts.DefaultHolderID = "register", "H0"
		}
		if int(format) >= len(formats) {
			opts.IgnoreColumns = []string{AllColumns}
		}
		reader, err := NewReader(bytes.NewReader(data), opts)
		if err != nil {
			return
		}
		rejects := readAny(t, reader)
		if reader.Stats().Rejects == 0 {
			return
		}
		opts.Format = reader.Stats().Format
		opts.MaxLineBytes *= 20 // for the errors that rows now have
		again, err := NewReader(strings.NewReader(rejects), opts)
		if err != nil {
			t.Fatalf("rejects cannot be read: %v\n%q", err, rejects)
		}
		readAny(t, again)
		was, is := reader.Stats(), again.Stats()
		leftOut := strings.Count(rejects, "left out here")
		if got := is.Records + is.Rejects + is.Duplicates; got < was.Rejects-leftOut || got > was.Rejects {
			t.Errorf("%d rejects, %d of them left out, read again as %+v:\n%q", was.Rejects, leftOut, is, rejects)
		}
	})
}

func readAny(t *testing.T, reader *Reader) (rejects string) {
	t.Helper()
	var out bytes.Buffer
	writer := NewRejectsWriter(&out, reader)
	got := Stats{}
	line, domains := 0, map[string]bool{}
	for {
		record, err := reader.Next()
		at := record.Line
		var rejected *RejectError
		switch {
		case errors.As(err, &rejected):
			got.Rejects++
			at = rejected.Line
			if rejected.Reason == "" || strings.ContainsAny(err.Error(), "\r\n") || !utf8.ValidString(err.Error()) || len(err.Error()) > 4000 {
				t.Errorf("unfit error %q", err)
			}
			if err := writer.Write(rejected); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			if stats := reader.Stats(); stats.Records != got.Records || stats.Rejects != got.Rejects {
				t.Errorf("Stats %+v, want %+v", stats, got)
			}
			return out.String()
		default:
			got.Records++
			checkRecord(t, record, domains)
		}
		if at <= line || at > reader.Stats().Lines {
			t.Fatalf("line %d after line %d of %d", at, line, reader.Stats().Lines)
		}
		line = at
	}
}

func checkRecord(t *testing.T, record Record, domains map[string]bool) {
	t.Helper()
	if again, err := domainname.Parse(record.Domain.ASCII); err != nil || again != record.Domain {
		t.Errorf("%+v parses as %+v, %v", record.Domain, again, err)
	}
	if domains[record.Domain.ASCII] {
		t.Errorf("%s came twice", record.Domain.ASCII)
	}
	domains[record.Domain.ASCII] = true
	if n := len(record.Nameservers); n == 1 || n > maxNameservers {
		t.Errorf("%d name servers", n)
	}
	if h := record.Holder; h != nil {
		if again, err := holder.Check(*h); err != nil || again != *h || record.HolderID != "" {
			t.Errorf("holder checks as another one, %v, or has an id too: %q", err, record.HolderID)
		}
	}
	if (record.HolderID != "" || record.Holder != nil) && (record.PeriodMonths < 1 || record.PeriodMonths > maxPeriodMonths) {
		t.Errorf("period %d", record.PeriodMonths)
	}
}
