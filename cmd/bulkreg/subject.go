package main

import (
	"context"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/job"
	"github.com/bulkreg/bulkreg/store"
)

// showSubject shows all that is known of a person, over all orders, as domain does of a domain.
func (a *app) showSubject(ctx context.Context, st *store.Store, name string, out output) error {
	subject, err := job.SubjectOf(name)
	if err != nil {
		return usagef("--subject: %w", err)
	}
	jobs, err := st.Orders.JobsOfDomain(ctx, subject, func(o record.Order) uuid.UUID {
		return queue.JobID(o.Source, o.Reference, queue.Kind(o.Kind), subject)
	})
	if err != nil {
		return err
	}
	return a.showKnown(ctx, st, jobs, domainJSON{Domain: subject, Total: len(jobs), Jobs: []jobDetailJSON{}}, out)
}
