package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue"
)

const tokenHeader = "email,originator,languageCode,firstname,lastname,privacyConsent\n"

// people reads a token order to its end, in words.
func people(t *testing.T, text string, opts Options) (got []string, reader *Reader) {
	t.Helper()
	opts.Kind = "token"
	reader = newReader(t, text, opts)
	for {
		record, err := reader.Next()
		var rejected *RejectError
		switch p := record.Person; {
		case errors.Is(err, io.EOF):
			return got, reader
		case errors.As(err, &rejected):
			got = append(got, rejected.Error())
		case err != nil:
			return append(got, "final: "+err.Error()), reader
		default:
			got = append(got, fmt.Sprintf("%d %s %s %s %s %s %t", record.Line, p.Email, p.Originator, p.LanguageCode, p.FirstName, p.LastName, *p.PrivacyConsent))
		}
	}
}

func TestPeopleAreRead(t *testing.T) {
	t.Parallel()
	const twice = "line 4: email is already given by an earlier line with other details: keep the right one"
	for name, c := range map[string]struct {
		text string
		opts Options
		want []string
	}{
		"csv": {tokenHeader + "jan@example.nl,shop,nl,Jan,de Vries,true\nan@example.be,shop,,,,false\n", Options{},
			[]string{"2 jan@example.nl shop nl Jan de Vries true", "3 an@example.be shop    false"}},
		"csv of a spreadsheet": {"\ufeffPrivacy Consent;Portal;E-mail;First name;Last name;Language\r\nTRUE;shop;Jan@Example.NL;Jan;Jansen;NL\r\n", Options{},
			[]string{"2 Jan@example.nl shop nl Jan Jansen true"}},
		"ndjson": {`{"email":"jan@example.nl","originator":"shop","privacyConsent":true}` + "\n" + `{"email":"an@example.be","originator":7,"privacyConsent":"false","lastname":null}` + "\n", Options{},
			[]string{"1 jan@example.nl shop    true", "2 an@example.be 7    false"}},
		"the same person again": {tokenHeader + "jan@example.nl,shop,nl,,,true\nJAN@example.nl,shop,nl,,,true\njan@example.nl,shop,fr,,,true\n", Options{},
			[]string{"2 jan@example.nl shop nl   true", twice}},
		"everything at once": {tokenHeader + "jan,,de," + strings.Repeat("x", 31) + ",,ja\n", Options{}, []string{
			"line 2: privacyConsent is neither true nor false: give one of the two, whether this person agreed to the privacy terms; " +
				"email is no e-mail address that can be used: give one such as name@example.nl; " +
				"originator is missing: give the code of the portal that asks for the token; languageCode is none of nl, fr, en: give one of these, or leave it out; " +
				"firstname is longer than 30 characters, the most that GetToken takes: shorten it"}},
		"consent not given":  {tokenHeader + "jan@example.nl,shop\n", Options{}, []string{"line 2: privacyConsent is missing: give true or false, whether this person agreed to the privacy terms"}},
		"another language":   {tokenHeader + "jan@example.nl,shop,de,,,true\n", Options{Languages: []string{"de"}}, []string{"2 jan@example.nl shop de   true"}},
		"a list":             {`{"email":["jan@example.nl"],"originator":"shop","privacyConsent":true}`, Options{}, []string{"line 1: email is a list: a person has one"}},
		"twice in an object": {`{"email":"jan@example.nl","email":"an@example.nl","originator":"shop","privacyConsent":true}`, Options{}, []string{"line 1: email is given twice: keep one"}},
		"no object":          {"{}\n[1]\n", Options{}, []string{"line 1: email is missing: a token is for the person with this address; originator is missing: give the code of the portal that asks for the token; privacyConsent is missing: give true or false, whether this person agreed to the privacy terms", `line 2: the line is no JSON object: write {"email":"name@example.nl","originator":"portal","privacyConsent":true}`}},
		"too many":           {tokenHeader + "jan@example.nl,shop,,,,true\nan@example.nl,shop,,,,true\n", Options{MaxRecords: 1}, []string{"2 jan@example.nl shop    true", "final: line 3: the file has more than 1 people: split it"}},
		"nothing":            {"", Options{}, nil},
	} {
		got, reader := people(t, c.text, c.opts)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if d := reader.Stats().FirstDuplicates; name == "the same person again" && (len(d) != 1 || d[0] != Duplicate{Line: 3, Domain: queue.Subject("jan@example.nl")}) {
			t.Errorf("duplicates %v", d)
		}
	}
}

func TestTokenFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"has no header: begin with one, the columns that count are email, originator, languageCode, firstname, lastname, privacyConsent": "jan@example.nl\n",
		"has no column email: its first line has \"domain\", \"holder_id\". Begin with a header":                                         "domain,holder_id\na.nl,H1\n",
		`the column "consent", which means nothing here`:                                                                                 "email,originator,consent\njan@example.nl,shop,true\n",
		`(did you mean languageCode?)`: "email,originator,langagecode\njan@example.nl,shop,nl\n",
	} {
		_, err := NewReader(strings.NewReader(text), Options{Kind: "token"})
		if !errors.As(err, new(*FileError)) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "jan@") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := FromArgs([]string{"jan@example.nl"}, Options{Kind: "token"}); err == nil || strings.Contains(err.Error(), "jan@") {
		t.Errorf("arguments: %v", err)
	}
	if _, err := NewReader(strings.NewReader(""), Options{Kind: "transfer"}); err == nil {
		t.Error("a kind that is none was read")
	}
}

// What somebody corrects in a rejects file reads as the rest of the order.
func TestRejectsOfPeopleRoundTrip(t *testing.T) {
	t.Parallel()
	text := tokenHeader + "jan@example.nl,shop,de,Jan,Jansen,true\nan@example.nl,shop,nl,,,true\n"
	reader := newReader(t, text, Options{Kind: "token"})
	var out bytes.Buffer
	writer := NewRejectsWriter(&out, reader)
	for {
		_, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if rejected := (*RejectError)(nil); errors.As(err, &rejected) {
			if err := writer.Write(rejected); err != nil {
				t.Fatal(err)
			}
		}
	}
	const want = "email,originator,languageCode,firstname,lastname,privacyConsent,error\n" +
		"jan@example.nl,shop,de,Jan,Jansen,true,\"line 2: languageCode is none of nl, fr, en: give one of these, or leave it out\"\n"
	if out.String() != want {
		t.Errorf("rejects are\n%s", out.String())
	}
	got, _ := people(t, strings.Replace(out.String(), ",de,", ",fr,", 1), Options{})
	if diff := cmp.Diff([]string{"2 jan@example.nl shop fr Jan Jansen true"}, got); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

// FuzzPeople reads any bytes as a token order: no panic, nobody twice, nobody without a consent, and no detail in an error.
func FuzzPeople(f *testing.F) {
	for _, seed := range []string{
		tokenHeader + "jan@example.nl,shop,nl,Jan,de Vries,true\nan@b.be,s,,,,no\n", `{"email":"a@b.nl","originator":"x","privacyConsent":false}` + "\n{", "email\n\"", "email;privacyConsent\na@b.nl;tru",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reader, err := NewReader(bytes.NewReader(data), Options{Kind: "token", MaxLineBytes: 256, MaxRecords: 50})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for {
			record, err := reader.Next()
			if errors.As(err, new(*RejectError)) {
				continue
			}
			if err != nil {
				return
			}
			subject := queue.Subject(record.Person.Email)
			if seen[subject] || record.Person.PrivacyConsent == nil || record.Person.Originator == "" || record.Domain.ASCII != "" {
				t.Errorf("record %+v", record)
			}
			seen[subject] = true
		}
	})
}
