package orders

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// knownJob is a job whose row is there, or will be.
type knownJob struct {
	order   int64
	kind    record.Kind
	account string
	domain  string
}

// knownJobs are those of the jobs whose rows are there, or others that have their ids.
func knownJobs(ctx context.Context, tx pgx.Tx, growing map[orderName]*grown) (map[uuid.UUID]knownJob, error) {
	var ids pg.Uuids
	for _, g := range growing {
		ids = append(ids, pg.ToUUIDs(g.jobs, func(j NewJob) uuid.UUID { return j.ID })...)
	}
	known := map[uuid.UUID]knownJob{}
	if len(ids) == 0 {
		return known, nil
	}
	rows, err := tx.Query(ctx, `SELECT id, order_id, kind, account, domain FROM jobs WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, err
	}
	var (
		id uuid.UUID
		k  knownJob
	)
	_, err = pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &k.order, &k.kind, &k.account, &k.domain}, func() error {
		known[id] = k
		return nil
	})
	return known, err
}

// unknownJobs are those of an order's that are not known, each once. They are known then. A job that has the id of another one is
// not known for that: it fails with a *JobTakenError.
func unknownJobs(o record.Order, jobs []NewJob, known map[uuid.UUID]knownJob) ([]NewJob, error) {
	var unknown []NewJob
	for _, j := range jobs {
		k, there := known[j.ID]
		switch {
		case !there:
			known[j.ID] = knownJob{o.ID, o.Kind, o.Account, j.Domain}
			unknown = append(unknown, j)
		case k.order != o.ID || k.kind != o.Kind || k.account != o.Account || !sameSubject(k.domain, j.Domain):
			return nil, &pg.JobTakenError{Action: "adopt jobs", ID: j.ID}
		}
	}
	return unknown, nil
}

// sameSubject says whether two jobs of one order with the same id are one. What is no domain stands in quotes, see
// NewJob.Rejected: what may be a domain is not the same in every version.
func sameSubject(known, given string) bool {
	return known == given || strings.HasPrefix(known, `"`) || known != "" && strings.HasPrefix(given, `"`)
}

// dropEnded leaves no chunk to orders of which nothing waits: all that was added ended at once.
func dropEnded(ctx context.Context, tx pgx.Tx, waiting []jobRecord, growing map[orderName]*grown) error {
	rows, err := tx.Query(ctx, `SELECT DISTINCT order_id FROM jobs WHERE id = ANY($1) AND state = 'queued'`,
		pg.ToUUIDs(waiting, func(r jobRecord) uuid.UUID { return r.ID }))
	if err != nil {
		return err
	}
	orders, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, g := range growing {
		if !slices.Contains(orders, g.order.ID) {
			g.waiting = 0
		}
	}
	return nil
}
