package seal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/seal"
)

func TestPeopleAndTokensAreOfOneJob(t *testing.T) {
	t.Parallel()
	k := keys(t, seal.NewKey())
	job := seal.Job{Source: "shop", Reference: "r-1", ID: uuid.New()}
	agreed := true
	person := seal.Person{Email: "jan@example.nl", Originator: "shop", LanguageCode: "nl", FirstName: "Jan", LastName: "Jansen", PrivacyConsent: &agreed}
	token := seal.Token{Token: "secret", RedirectURL: "https://a", AccountURL: "https://b"}
	keptPerson, err := k.SealPerson(person, job)
	if err != nil {
		t.Fatal(err)
	}
	keptToken, err := k.SealToken(token, job)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.OpenPerson(keptPerson, job); err != nil || !cmp.Equal(got, person) {
		t.Errorf("another person, %v", err)
	}
	if got, err := k.OpenToken(keptToken, job); err != nil || got != token {
		t.Errorf("another token, %v", err)
	}
	if _, err := k.OpenToken(keptPerson, job); !errors.Is(err, seal.ErrBroken) {
		t.Errorf("a person opens as a token: %v", err)
	}
	for _, other := range []seal.Job{
		{Source: "shop", Reference: "r-1", ID: uuid.New()}, {Source: "shop", Reference: "r-2", ID: job.ID}, {Source: "sho", Reference: "pr-1", ID: job.ID},
	} {
		if got, err := k.OpenPerson(keptPerson, other); !errors.Is(err, seal.ErrBroken) || !cmp.Equal(got, seal.Person{}) {
			t.Errorf("it opens for another job: %v", err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if said := fmt.Sprintf(verb+verb, person, token); strings.Contains(said, "ecret") || strings.Contains(said, "Jan") || strings.Contains(said, "https") {
			t.Errorf("%s prints %s", verb, said)
		}
	}
}
