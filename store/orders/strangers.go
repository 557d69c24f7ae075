package orders

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// Strangers counts those of the delivered jobs that are not of what their delivery says, or of nothing at all.
func (s *Orders) Strangers(ctx context.Context, jobs []record.DeliveredJob) (int, error) {
	ids := pg.ToUUIDs(jobs, func(j record.DeliveredJob) uuid.UUID { return j.ID })
	var n int
	err := s.db.Pool.QueryRow(ctx, `
		SELECT count(*) FROM unnest($1::uuid[], $2::integer[]) AS w (id, origin)
		WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = w.id AND `+record.BindsTo("w.origin", 3)+` OFFSET 0)`,
		append([]any{ids}, record.OriginsOf(jobs, record.DeliveredJob.Origin).Args()...)...).Scan(&n)
	return n, pg.Failure("look for foreign jobs", err)
}
