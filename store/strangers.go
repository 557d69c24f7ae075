package store

import (
	"context"

	"github.com/google/uuid"
)

// Strangers counts those of the delivered jobs that are not of what their delivery says, or of nothing at all.
func (s *Store) Strangers(ctx context.Context, jobs []DeliveredJob) (int, error) {
	ids := toUUIDs(jobs, func(j DeliveredJob) uuid.UUID { return j.ID })
	var n int
	err := s.pool.QueryRow(ctx, `
		SELECT count(*) FROM unnest($1::uuid[], $2::integer[]) AS w (id, origin)
		WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = w.id AND `+bindsTo("w.origin", 3)+` OFFSET 0)`,
		append([]any{ids}, originsOf(jobs, DeliveredJob.origin).args()...)...).Scan(&n)
	return n, failure("look for foreign jobs", err)
}
