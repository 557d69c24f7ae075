package delivery

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"
)

// HoldDue makes at most limit jobs of a lot that stands still held: those whose own time has come. A canceled registration
// is left alone while the checks that it still needs are free to be made. It returns how many.
func (s *Deliveries) HoldDue(ctx context.Context, lot Lot, limit int) (int, error) {
	tag, err := s.db.Pool.Exec(ctx, `
		WITH due AS (
			SELECT id FROM jobs
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at <= now() AND NOT (canceling AND NOT EXISTS (
				SELECT FROM holds WHERE account = $3 AND scope = 'all'))
			ORDER BY wake_at LIMIT $4 FOR UPDATE SKIP LOCKED
		)
		UPDATE jobs j SET state = 'held', wake_at = NULL FROM due WHERE j.id = due.id`,
		lot.Kind, lot.Lane, lot.Account, limit)
	return int(tag.RowsAffected()), pg.Failure("hold due jobs", err)
}
