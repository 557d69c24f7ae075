package queue

import (
	"fmt"

	"github.com/google/uuid"
)

// about is what the jobs of a kind are about.
type about string

const (
	aboutDomains about = "domains"
	aboutPeople  about = "people"
)

// about is what the jobs are about, by the fields that they have.
func (c Chunk) about() about {
	named := false
	for _, j := range c.Jobs {
		if j.namesDomain() {
			return aboutDomains
		}
		named = named || j.namesPerson()
	}
	if named || !c.FromProducer() { // a delivery names people by their jobs' ids alone
		return aboutPeople
	}
	return aboutDomains
}

// CheckKind checks that the jobs are about what a kind is about. Its error is a *PayloadError.
func (c Chunk) CheckKind(k Kind) error {
	f, known := k.form()
	switch {
	case !known:
		return invalid("there is no such kind")
	case f.about != c.about():
		return invalid("its jobs are about %s, and those of %s are about %s", c.about(), f.taskType, f.about)
	}
	return nil
}

// namesDomain reports whether a job has a field of a domain.
func (j Job) namesDomain() bool {
	return j.Domain != "" || j.HolderID != "" || j.PeriodMonths != 0 || j.Nameservers != nil || j.AllowStatus != nil
}

// checkDomain checks a job that is about a domain, as far as a payload goes.
func (j Job) checkDomain() error {
	if _, err := AllowStatus(j.AllowStatus); err != nil {
		return fmt.Errorf("allow_status %w", err)
	}
	switch {
	case j.Domain == "" || len(j.Domain) > maxDomain:
		return fmt.Errorf("domain is empty or longer than %d bytes", maxDomain)
	case j.namesPerson():
		return fmt.Errorf("it has the fields of a person beside a domain")
	}
	return nil
}

// checkIdentity checks that a job has what it is known by.
func (j Job) checkIdentity(fresh bool) error {
	switch {
	case (j.Epoch == nil) != fresh:
		return fmt.Errorf("either every job has an epoch or none")
	case j.Epoch != nil && (*j.Epoch < 0 || j.ID == uuid.Nil):
		return fmt.Errorf("an epoch is not negative and comes with an id")
	}
	return nil
}
