package main

import (
	"context"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/queue/job"
	"github.com/bulkreg/bulkreg/store"
)

// showSubject shows all that is known of a person, over all orders, as domain does of a domain.
func (a *app) showSubject(ctx context.Context, st *store.Store, name string, out output) error {
	subject, err := job.SubjectOf(name)
	if err != nil {
		return usagef("--subject: %w", err)
	}
	jobs, total, err := st.Orders.JobsOfDomain(ctx, subject, "", maxDomainJobs)
	if err != nil {
		return err
	}
	return a.showKnown(ctx, st, jobs, domainJSON{Domain: subject, Total: total, Jobs: []view.JobDetail{}}, out)
}
