package worker

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store"
)

// newJob makes the row of a job that a producer enqueued by itself. The domain is held to the same rules as in an
// order; an id left out is derived, so that a repeat is the same job.
func newJob(c queue.Chunk, kind queue.Kind, j queue.Job) (store.NewJob, error) {
	name, err := domainname.Parse(j.Domain)
	if err != nil {
		return store.NewJob{}, fmt.Errorf("read domain: %w", err)
	}
	if kind == queue.Register && j.HolderID == "" {
		return store.NewJob{}, fmt.Errorf("%s: a registration needs a holder_id", name.ASCII)
	}
	n := store.NewJob{
		ID: j.ID, Domain: name.ASCII, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers,
	}
	if n.ID == uuid.Nil {
		n.ID = queue.JobID(c.Source, c.Order, kind, name.ASCII)
	}
	if name.Unicode != name.ASCII {
		n.DomainUnicode = name.Unicode
	}
	return n, nil
}
