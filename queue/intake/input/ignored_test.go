package input

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a column that nobody understands was meant for may cost money: the whole file is refused, unless it was said that
// the column does not count.
func TestRegistrationsRefuseUnknownColumns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		ignore []string
		want   string // the refusal, or "" where there is none
	}{
		"slips": {"domain,holder_id,peroid,nameserver\na.nl,H1,24,ns1.x.nl ns2.x.nl\n", nil,
			`line 1: the file has the columns "peroid" (did you mean period?) and "nameserver" (did you mean nameservers?), which mean nothing here: rename them`},
		"one slip": {"domain,holder_id,Perod\na.nl,H1,24\n", nil,
			`line 1: the file has the column "Perod" (did you mean period?), which means nothing here: rename it`},
		"a slip in a holder's detail": {"domain,holder_frstname\na.nl,Jan\n", nil, `"holder_frstname" (did you mean firstname?)`},
		"a slip of an alias":          {"domain,holder,zipcod\na.nl,H1,1\n", nil, `"zipcod" (did you mean postalcode?)`},
		"resembles nothing":           {"domain,holder_id,our ref\na.nl,H1,1\n", nil, `the column "our ref", which means nothing here: rename it`},
		"no header but data":          {"domain,holder_id,jan@example.nl\na.nl,H1,1\n", nil, `"(an e-mail address)"`},
		"field":                       {`{"domain":"a.nl","holder_id":"H1"}` + "\n" + `{"domain":"b.nl","holder_id":"H1","perod":24}` + "\n", nil, `line 2: the file has the field "perod" (did you mean period?)`},
		"field of a bad line":         {`{"domain":"www.a.nl","holder_id":"H1","perod":24}` + "\n", nil, `line 1: the file has the field "perod"`},
		"field of a holder":           {`{"domain":"a.nl","holder":{"id":"H1","emial":"x"}}` + "\n", nil, `the field "emial" (did you mean email?)`},
		"allowed by name":             {"domain,holder_id,Our-Ref,price\na.nl,H1,1,2\n", []string{"our ref", "PRICE"}, ""},
		"another one allowed":         {"domain,holder_id,note,price\na.nl,H1,1,2\n", []string{"note"}, `the column "price"`},
		"all allowed":                 {"domain,holder_id,note,\na.nl,H1,1,2\n", []string{"all"}, ""},
		"field allowed":               {`{"domain":"a.nl","holder_id":"H1","note":[{}]}` + "\n", []string{"note"}, ""},
		"an earlier rejects file":     {"domain,holder_id,Error\na.nl,H1,x\n", nil, ""},
		"without name and value":      {"domain,holder_id,,\na.nl,H1,, \n", nil, ""},
		"without name":                {"domain,holder_id,,\na.nl,H1,,24\n", nil, "line 2: the file has a value in column 4, which has no name: name the column"},
		"counts":                      {"domain,holder_id,period\na.nl,H1,24\n", []string{"Period"}, "Period: this column counts, as period"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readToRefusal(test.text, Options{Kind: "register", IgnoreColumns: test.ignore})
			if test.want == "" && got != nil || test.want != "" && (got == nil || !strings.Contains(got.Error(), test.want)) {
				t.Errorf("got  %v\nwant %s", got, test.want)
			}
		})
	}
}

// A WHOIS check is not paid for: what means nothing there is named, and passed over.
func TestWhoisPassesOverUnknownColumns(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"domain,peroid,\na.nl,24,x\n", `{"domain":"a.nl","peroid":24}` + "\n"} {
		reader := newReader(t, text, Options{Kind: "whois"})
		everything(t, reader)
		if got := reader.Stats().IgnoredColumns; reader.Stats().Records != 1 || !cmp.Equal(got[:1], []string{"peroid"}) {
			t.Errorf("%q: %+v", text, reader.Stats())
		}
	}
}

// readToRefusal reads a file to its end and returns what made it unusable.
func readToRefusal(text string, opts Options) error {
	reader, err := NewReader(strings.NewReader(text), opts)
	for err == nil {
		var rejected *RejectError
		if _, err = reader.Next(); errors.As(err, &rejected) {
			err = nil
		}
	}
	var unusable *FileError
	if errors.As(err, &unusable) || reader == nil {
		return err
	}
	return nil
}
