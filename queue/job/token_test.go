package job_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/job"
)

func agreed() *bool { yes := true; return &yes }

func jan() job.Person {
	return job.Person{Email: "jan@example.nl", Originator: "shop", LanguageCode: "nl", FirstName: "Jan", LastName: "Jansen", PrivacyConsent: agreed()}
}

func TestPeopleAreBroughtIntoOneForm(t *testing.T) {
	t.Parallel()
	no := false
	for _, c := range []struct{ given, want job.Person }{
		{jan(), jan()},
		{
			job.Person{Email: " Jan.Jansen@Mail.BÜCHER.nl ", Originator: " shop ", LanguageCode: "NL", FirstName: "Jan  Pieter", LastName: " de\u00a0Vries ", PrivacyConsent: &no},
			job.Person{Email: "Jan.Jansen@mail.xn--bcher-kva.nl", Originator: "shop", LanguageCode: "nl", FirstName: "Jan Pieter", LastName: "de Vries", PrivacyConsent: &no},
		},
		{job.Person{Email: "a@b.nl", Originator: "x", PrivacyConsent: agreed()}, job.Person{Email: "a@b.nl", Originator: "x", PrivacyConsent: agreed()}},
		{
			job.Person{Email: strings.Repeat("a", 55) + "@b.nl", Originator: strings.Repeat("é", 40), FirstName: strings.Repeat("é", 30), LastName: strings.Repeat("é", 40), PrivacyConsent: agreed()},
			job.Person{Email: strings.Repeat("a", 55) + "@b.nl", Originator: strings.Repeat("é", 40), FirstName: strings.Repeat("é", 30), LastName: strings.Repeat("é", 40), PrivacyConsent: agreed()},
		},
	} {
		got, err := job.Fields{Domain: "passed.over", Person: c.given}.Check(queue.Token)
		if diff := cmp.Diff(job.Job{Person: c.want}, got); diff != "" || err != nil {
			t.Errorf("(-want +got):\n%s%v", diff, err)
		}
		if got.Subject(queue.Token) != queue.Subject(c.want.Email) {
			t.Errorf("subject %s", got.Subject(queue.Token))
		}
	}
}

func TestFieldsOfPeopleThatBreakARule(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*job.Person){
		"email is missing": func(p *job.Person) { p.Email = " " },
		"email is no e-mail address that can be used":         func(p *job.Person) { p.Email = "Secretjan" },
		"email is no e-mail address that can be used: give":   func(p *job.Person) { p.Email = "Secret jan@example.nl" },
		"email has a domain that is under no known suffix":    func(p *job.Person) { p.Email = "jan@secret.nosuchtld" },
		"email has a domain that is under no known suffix: c": func(p *job.Person) { p.Email = "jan@co.uk" },
		"email is longer than 60 characters, the most that":   func(p *job.Person) { p.Email = strings.Repeat("a", 56) + "@b.nl" },
		"originator is missing":                               func(p *job.Person) { p.Originator = "" },
		"originator is longer than 40 characters":             func(p *job.Person) { p.Originator = strings.Repeat("é", 41) },
		"originator is an e-mail address":                     func(p *job.Person) { p.Originator = "secret@example.nl" },
		"originator has an invisible or broken character":     func(p *job.Person) { p.Originator = "a\x00b" },
		"originator is what a spreadsheet shows":              func(p *job.Person) { p.Originator = "#N/A" },
		"originator is a number that a spreadsheet":           func(p *job.Person) { p.Originator = "1.2E+11" },
		"originator is a word or a sign for no value":         func(p *job.Person) { p.Originator = "NULL" },
		"languageCode is none of nl, fr, en":                  func(p *job.Person) { p.LanguageCode = "de" },
		"firstname is longer than 30 characters":              func(p *job.Person) { p.FirstName = strings.Repeat("é", 31) },
		"firstname has an invisible or broken character":      func(p *job.Person) { p.FirstName = "Secret\u200b" },
		"lastname is longer than 40 characters":               func(p *job.Person) { p.LastName = strings.Repeat("é", 41) },
		"lastname is what a spreadsheet shows":                func(p *job.Person) { p.LastName = "#REF!" },
		"privacyConsent is missing":                           func(p *job.Person) { p.PrivacyConsent = nil },
		"email is missing: a token is for the person with this address; originator is missing: give the code of the portal that asks for the token; languageCode is none of nl, fr, en: give one of these, or leave it out; firstname is longer": func(p *job.Person) {
			*p = job.Person{LanguageCode: "xx", FirstName: strings.Repeat("x", 31)}
		},
	} {
		p := jan()
		change(&p)
		got, err := job.Fields{Person: p}.Check(queue.Token)
		if !errors.As(err, new(*job.Error)) || !strings.HasPrefix(err.Error(), want) || !cmp.Equal(got, job.Job{}) {
			t.Errorf("%v, want %s", err, want)
		}
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("the error repeats a detail: %v", err)
		}
	}
}

func TestRulesOfTokensAreWidened(t *testing.T) {
	t.Parallel()
	suffixes, err := domainname.ParseSuffixes("corp")
	if err != nil {
		t.Fatal(err)
	}
	p := jan()
	p.Email, p.LanguageCode = "jan@mail.acme.corp", "de"
	rules := job.Rules{Suffixes: suffixes, Languages: []string{"de"}}
	if got, err := rules.Check(job.Fields{Person: p}, queue.Token); err != nil || got.Person.Email != "jan@mail.acme.corp" {
		t.Errorf("%v", err)
	}
	p.LanguageCode = "nl"
	if _, err := rules.Check(job.Fields{Person: p}, queue.Token); err == nil || !strings.Contains(err.Error(), "none of de") {
		t.Errorf("%v", err)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"true": "true", "FALSE": "false", " True ": "true", "": "nil", "yes": "error", "1": "error", "waar": "error"} {
		got, err := job.Consent(given)
		said := "nil"
		if got != nil {
			said = fmt.Sprint(*got)
		}
		if err != nil {
			said = "error"
		}
		if said != want {
			t.Errorf("%q is %s, want %s", given, said, want)
		}
	}
}

func TestAPersonPrintsAsNothing(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if said := fmt.Sprintf(verb+" "+verb, jan(), job.Job{Person: jan()}); strings.Contains(said, "Jansen") || strings.Contains(said, "@") {
			t.Errorf("%s: %s", verb, said)
		}
	}
}

// What is no kind must not pass for a check.
func TestThereIsNoOtherKind(t *testing.T) {
	t.Parallel()
	if got, err := (job.Fields{Domain: "a.nl"}).Check("transfer"); err == nil || !cmp.Equal(got, job.Job{}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, kind := range queue.Kinds() {
		checked, err := job.Fields{Domain: "a.nl", HolderID: "H", Person: jan()}.Check(kind)
		if err != nil || checked.Subject(kind) == "" || checked.Subject("transfer") != "" {
			t.Errorf("%s: %v, subject %q", kind, err, checked.Subject(kind))
		}
	}
}

func TestSubjectOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"jan@example.nl": queue.Subject("jan@example.nl"), " JAN@Example.NL ": queue.Subject("jan@example.nl"),
		"jan@bücher.nl": queue.Subject("jan@xn--bcher-kva.nl"), "person-evbhpobvk3xqp64m": "person-evbhpobvk3xqp64m",
		"": "", "jan": "", "person-EVBHPOBVK3XQP64M": "", "example.nl": "",
	} {
		got, err := job.SubjectOf(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}
