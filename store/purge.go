package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Purge is what removing the details of holders comes to.
type Purge struct {
	Orders  int // ended for long enough, and with details
	Holders int // whose details go
	Kept    int // holders of these orders that another order still needs
}

// PlanPurge says what PurgeHolders would do now.
func (s *Store) PlanPurge(ctx context.Context, olderThan time.Duration) (Purge, error) {
	return s.purge(ctx, olderThan, func(context.Context, pgx.Tx) error { return nil })
}

// PurgeHolders removes the details of the holders whose orders ended, to the last job, longer ago than olderThan. Their
// digests and upstream ids stay, so that the same holder is still found. Orders on their way in wait for it, and it
// waits for them.
func (s *Store) PurgeHolders(ctx context.Context, olderThan time.Duration) (Purge, error) {
	return s.purge(ctx, olderThan, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE holders h SET details = NULL, purged_at = now()
			FROM (SELECT DISTINCT holder_key FROM order_holders oh JOIN ended e ON e.id = oh.order_id) AS of
			WHERE h.id = of.holder_key AND h.details IS NOT NULL AND NOT `+needed)
		return err
	})
}

// needed says of holder h that an order needs it that has not ended.
const needed = `EXISTS (
	SELECT FROM order_holders other WHERE other.holder_key = h.id AND NOT EXISTS (SELECT FROM ended WHERE ended.id = other.order_id))`

func (s *Store) purge(ctx context.Context, olderThan time.Duration, remove func(context.Context, pgx.Tx) error) (Purge, error) {
	var p Purge
	err := s.inLongTx(ctx, "purge holders", func(tx pgx.Tx) error {
		// In a statement of its own: the next one sees what was committed before the lock was given.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, purgeLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE ended (id bigint PRIMARY KEY) ON COMMIT DROP`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO ended SELECT o.id FROM orders o
			WHERE o.created_at <= now() - make_interval(secs => $1)
			AND EXISTS (SELECT FROM order_holders oh JOIN holders h ON h.id = oh.holder_key
				WHERE oh.order_id = o.id AND h.details IS NOT NULL)
			AND NOT EXISTS (SELECT FROM jobs j WHERE j.order_id = o.id
				AND (j.finished_at IS NULL OR j.finished_at > now() - make_interval(secs => $1)))`, seconds(olderThan))
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			SELECT count(DISTINCT e.id), count(DISTINCT h.id) FILTER (WHERE NOT `+needed+`), count(DISTINCT h.id) FILTER (WHERE `+needed+`)
			FROM ended e JOIN order_holders oh ON oh.order_id = e.id JOIN holders h ON h.id = oh.holder_key
			WHERE h.details IS NOT NULL`).Scan(&p.Orders, &p.Holders, &p.Kept)
		if err != nil {
			return err
		}
		return remove(ctx, tx)
	})
	return p, err
}
