package worker

import (
	"errors"
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
	if err := checkOwnJob(j); err != nil {
		return store.NewJob{}, fmt.Errorf("%s: %w", name.ASCII, err)
	}
	n := store.NewJob{
		ID: j.ID, Domain: name.ASCII, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers,
	}
	if kind == queue.Register {
		if n.AllowStatus, err = queue.AllowStatus(j.AllowStatus); err != nil {
			return store.NewJob{}, fmt.Errorf("%s: allow_status %w", name.ASCII, err)
		}
	}
	if n.ID == uuid.Nil {
		n.ID = queue.JobID(c.Source, c.Order, kind, name.ASCII)
	}
	if name.Unicode != name.ASCII {
		n.DomainUnicode = name.Unicode
	}
	return n, nil
}

// The bounds of what a producer's own job may ask for. They are those of an order's line.
const (
	maxPeriod      = 120
	maxHolderID    = 128
	maxNameservers = 13
)

func checkOwnJob(j queue.Job) error {
	if j.PeriodMonths < 0 || j.PeriodMonths > maxPeriod {
		return fmt.Errorf("a period is from 1 to %d months", maxPeriod)
	}
	if j.HolderID != "" && queue.CheckName(j.HolderID, maxHolderID) != nil {
		return fmt.Errorf("a holder_id has at most %d bytes, all of them printable", maxHolderID)
	}
	if len(j.Nameservers) > maxNameservers {
		return fmt.Errorf("at most %d name servers", maxNameservers)
	}
	for _, ns := range j.Nameservers {
		if _, err := domainname.ParseHost(ns); err != nil {
			return errors.New("a name server is no host name")
		}
	}
	return nil
}
