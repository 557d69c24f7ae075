package worker

import (
	"errors"
	"strconv"

	"github.com/bulkreg/bulkreg/store/orders"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/job"
	"github.com/bulkreg/bulkreg/store/seal"
)

// newJob makes the row of a job that a producer enqueued by itself. It is held to the rules of an order's line. Its id is
// derived, so that a repeat is the same job, and so that no id from outside names another order's row. Its error is a
// *job.Error.
func newJob(c queue.Chunk, kind queue.Kind, j queue.Job) (orders.NewJob, error) {
	return newJobBy(job.Rules{}, c, kind, j)
}

// newJobBy is newJob by other rules than the usual ones.
func newJobBy(rules job.Rules, c queue.Chunk, kind queue.Kind, j queue.Job) (orders.NewJob, error) {
	return rowMaker{rules: rules}.row(c, kind, j)
}

// rowMaker makes the rows of producers' jobs.
type rowMaker struct {
	rules job.Rules
	keys  seal.Keys // to keep people with
}

func (m rowMaker) row(c queue.Chunk, kind queue.Kind, j queue.Job) (orders.NewJob, error) {
	fields := job.Fields{
		Domain: j.Domain, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers, AllowStatus: j.AllowStatus,
		Person: job.Person{
			Email: j.Email, Originator: j.Originator, LanguageCode: j.LanguageCode, FirstName: j.FirstName, LastName: j.LastName,
			PrivacyConsent: j.PrivacyConsent,
		},
	}
	checked, err := m.rules.Check(fields, kind)
	if err != nil {
		return orders.NewJob{}, err
	}
	subject := checked.Subject(kind)
	n := orders.NewJob{
		ID:     queue.JobID(c.Source, c.Order, kind, subject),
		Domain: subject, HolderID: checked.HolderID, PeriodMonths: checked.PeriodMonths,
		Nameservers: checked.Nameservers, AllowStatus: checked.AllowStatus, PrivacyConsent: checked.Person.PrivacyConsent,
	}
	if kind.OfPeople() {
		n.Person, err = m.keys.SealPerson(seal.Person(checked.Person), seal.Job{Source: c.Source, Reference: c.Order, ID: n.ID})
		return n, err
	}
	if checked.Domain.Unicode != n.Domain {
		n.DomainUnicode = checked.Domain.Unicode
	}
	return n, nil
}

// rejectedJob makes the row of a job that breaks a rule: it ends as it begins, with the words that say why. What is no domain
// stands in quotes, bounded and printable, so that nothing takes it for one.
func rejectedJob(rules job.Rules, c queue.Chunk, kind queue.Kind, j queue.Job, broken error) orders.NewJob {
	if kind.OfPeople() { // whoever it is stays unknown, but for the subject
		subject := queue.Subject(j.Email)
		return orders.NewJob{ID: queue.JobID(c.Source, c.Order, kind, subject), Domain: subject, PrivacyConsent: j.PrivacyConsent, Rejected: broken.Error()}
	}
	n := orders.NewJob{ID: queue.JobID(c.Source, c.Order, kind, j.Domain), Rejected: broken.Error()}
	name, err := rules.Domain(j.Domain)
	if err == nil {
		n.ID, n.Domain = queue.JobID(c.Source, c.Order, kind, name.ASCII), name.ASCII
		if name.Unicode != name.ASCII {
			n.DomainUnicode = name.Unicode
		}
		return n
	}
	shown := ""
	if bad := (*job.Error)(nil); errors.As(err, &bad) {
		shown = bad.Raw
	}
	n.Domain = strconv.Quote(shown)
	return n
}

// rowsOf makes the rows of a producer's own chunk. A domain that it has twice is one job, the first. Where refused says why
// nobody can carry out any of them, all end with these words.
func rowsOf(c queue.Chunk, kind queue.Kind, refused string) []orders.NewJob {
	return rowsBy(job.Rules{}, c, kind, refused)
}

func rowsBy(rules job.Rules, c queue.Chunk, kind queue.Kind, refused string) []orders.NewJob {
	return rowMaker{rules: rules}.rows(c, kind, refused)
}

func (m rowMaker) rows(c queue.Chunk, kind queue.Kind, refused string) []orders.NewJob {
	rows := make([]orders.NewJob, 0, len(c.Jobs))
	seen := make(map[uuid.UUID]bool, len(c.Jobs))
	for _, j := range c.Jobs {
		n, err := m.row(c, kind, j)
		switch {
		case err != nil:
			n = rejectedJob(m.rules, c, kind, j, err)
		case refused != "":
			n.Rejected, n.Person = refused, nil
		}
		if !seen[n.ID] {
			seen[n.ID] = true
			rows = append(rows, n)
		}
	}
	return rows
}
