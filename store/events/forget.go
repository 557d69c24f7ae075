package events

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Forget removes events that are older than a time span from the log, the oldest first and at most limit, and returns how many. Readers
// that have not read them yet are told so, see Reach. Anybody may do it at the same time.
func (e *Events) Forget(ctx context.Context, olderThan time.Duration, limit int) (n int, err error) {
	// Nearly always there is nothing to do, and one look into an index tells.
	var due bool
	err = e.db.Pool.QueryRow(ctx, `
		SELECT coalesce((SELECT at < now() - make_interval(secs => $1) FROM events ORDER BY id LIMIT 1), false)`, pg.Seconds(olderThan)).Scan(&due)
	if err != nil || !due {
		return 0, pg.Failure("look for old events", err)
	}
	err = e.db.InTx(ctx, "forget events", func(tx pgx.Tx) error {
		// Who is second waits here, and finds the next ones.
		if _, err := tx.Exec(ctx, `SELECT id FROM events_forgotten FOR UPDATE`); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			WITH oldest AS (
				SELECT id, at FROM events ORDER BY id LIMIT $2
			), gone AS (
				DELETE FROM events WHERE id = ANY(ARRAY(
					SELECT id FROM oldest WHERE at < now() - make_interval(secs => $1) AND id < coalesce((
						SELECT min(id) FROM oldest WHERE at >= now() - make_interval(secs => $1)), 9223372036854775807)))
				RETURNING id
			), noted AS (
				UPDATE events_forgotten SET id = greatest(id, (SELECT max(id) FROM gone)) WHERE EXISTS (SELECT FROM gone)
			)
			SELECT count(*) FROM gone`, pg.Seconds(olderThan), limit).Scan(&n)
	})
	return n, err
}

// Reach is how far the log goes: up to which event none is kept any more, 0 where all are, and which was the newest ever. A reader
// that goes on behind an earlier one than the first misses some; one that has read further than the second read another log.
func (e *Events) Reach(ctx context.Context) (forgotten, newest int64, err error) {
	err = e.db.Pool.QueryRow(ctx, `SELECT id, greatest(id, (SELECT max(id) FROM events)) FROM events_forgotten`).Scan(&forgotten, &newest)
	return forgotten, newest, pg.Failure("read how far events go", err)
}
