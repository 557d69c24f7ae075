package intake

import (
	"fmt"

	"github.com/bulkreg/bulkreg/store/orders"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/job"
	"github.com/bulkreg/bulkreg/store/seal"
)

// person is whom a token is for, in the spool file. It prints as nothing.
type person struct {
	Email          string `json:"e"`
	Originator     string `json:"o"`
	LanguageCode   string `json:"l,omitempty"`
	FirstName      string `json:"f,omitempty"`
	LastName       string `json:"n,omitempty"`
	PrivacyConsent *bool  `json:"c"`
}

// Format prints none of it, whatever the verb.
func (person) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(a person)") }

// tokenJob makes the job of a person: known by the subject, with the person sealed. Its error is seal.ErrNoKey.
func tokenJob(o Order, p person, keys seal.Keys) (orders.NewJob, error) {
	subject := job.Job{Person: job.Person(p)}.Subject(queue.Token)
	n := orders.NewJob{ID: queue.JobID(o.Source, o.Reference, o.Kind, subject), Domain: subject, PrivacyConsent: p.PrivacyConsent}
	var err error
	n.Person, err = keys.SealPerson(seal.Person(p), seal.Job{Source: o.Source, Reference: o.Reference, ID: n.ID})
	return n, err
}

// People says whom an order of tokens is for, together.
type People struct {
	Total       int            `json:"total"`
	Agreed      int            `json:"privacy_consent"` // to the privacy terms
	Originators map[string]int `json:"originators"`
	Languages   map[string]int `json:"languages"` // "" for those who have none
}

// People adds up whom the order is for.
func (s *Spool) People() (People, error) {
	all := People{Originators: map[string]int{}, Languages: map[string]int{}}
	for e, err := range s.entries() {
		if err != nil {
			return People{}, err
		}
		if e.Person == nil {
			continue
		}
		all.Total++
		if *e.Person.PrivacyConsent {
			all.Agreed++
		}
		all.Originators[e.Person.Originator]++
		all.Languages[e.Person.LanguageCode]++
	}
	return all, nil
}
