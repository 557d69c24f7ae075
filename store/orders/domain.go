package orders

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// JobsOfDomain finds the jobs for a domain, or for a person's subject, over the orders of one source or ("") of all: the newest, at
// most limit of them, the oldest of these first. total is how many there are.
func (s *Orders) JobsOfDomain(ctx context.Context, domain, source string, limit int) (jobs []record.Job, total int, err error) {
	const of = ` FROM jobs j JOIN orders o ON o.id = j.order_id WHERE j.domain = $1 AND ($2 = '' OR o.source = $2)`
	var batch pgx.Batch
	batch.Queue(`SELECT count(*)`+of, domain, source).QueryRow(func(row pgx.Row) error { return row.Scan(&total) })
	batch.Queue(`SELECT `+jobColumns()+of+` ORDER BY j.created_at DESC, j.order_id DESC, j.seq DESC LIMIT $3`, domain, source, limit).
		Query(func(rows pgx.Rows) (err error) {
			jobs, err = pgx.CollectRows(rows, scanJob)
			return err
		})
	err = s.db.Pool.SendBatch(ctx, &batch).Close()
	slices.Reverse(jobs)
	return jobs, total, pg.Failure("find jobs of domain", err)
}
