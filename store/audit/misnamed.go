package audit

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// derived is the version of ids that are made of their jobs. Others were given by a producer to an early release, or by a purge, which
// makes them of nothing, and say nothing about their jobs.
const derived = 5

// findMisnamed gives the ids that are not those of their jobs: of which the order, its source or reference, or the domain was changed.
// Postgres has no such digest, so that all jobs are read; one after another, and none is kept. What was no domain stands in quotes
// and shortened, and its id was made of the whole. A job of another kind than its order's is found without this.
func findMisnamed(ctx context.Context, tx pgx.Tx, o Options, args pgx.NamedArgs) error {
	misnamed := []uuid.UUID{}
	args["misnamed"] = pg.ToUUIDs(misnamed, pg.AsIs)
	if o.JobID == nil {
		return nil
	}
	rows, err := tx.Query(ctx, `
		SELECT j.id, j.kind, j.domain, o.source, o.reference FROM jobs j JOIN orders o ON o.id = j.order_id
		WHERE j.kind = o.kind AND j.domain NOT LIKE '"%'`)
	if err != nil {
		return err
	}
	var (
		id                        uuid.UUID
		kind                      record.Kind
		domain, source, reference string
	)
	_, err = pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &kind, &domain, &source, &reference}, func() error {
		if id.Version() == derived && id != o.JobID(source, reference, kind, domain) {
			misnamed = append(misnamed, id)
		}
		return nil
	})
	args["misnamed"] = pg.ToUUIDs(misnamed, pg.AsIs)
	return err
}
