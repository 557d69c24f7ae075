package orders

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// FailedJob is a job that failed, with what its order said of its holder or its person.
type FailedJob struct {
	record.Job

	Details []byte // the holder's, JSON; nil where the order gave an id, or they were purged
	Person  []byte // whom a token was for, sealed; nil where there is none, or it was purged
}

// FailedPage lists jobs of an order that failed, in the order in which they were given: at most limit of those behind a place.
func (s *Orders) FailedPage(ctx context.Context, order int64, after, limit int) ([]FailedJob, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT `+jobColumns()+`, (SELECT h.details FROM holders h WHERE h.id = j.holder_key), j.person
		FROM jobs j JOIN orders o ON o.id = j.order_id
		WHERE j.order_id = $1 AND j.seq > $2 AND j.state = 'failed' ORDER BY j.seq LIMIT $3`, order, after, limit)
	if err != nil {
		return nil, pg.Failure("list failed jobs", err)
	}
	failed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (FailedJob, error) {
		var f FailedJob
		job, err := scanJobAnd(row, &f.Details, &f.Person)
		f.Job = job
		return f, err
	})
	return failed, pg.Failure("list failed jobs", err)
}
