package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

const (
	// spreadEndpoints and spreadEvents bound one round of Spread.
	spreadEndpoints = 100
	spreadEvents    = 1000
)

// Spread makes deliveries of the events that came into the log, for the endpoints that want them, and returns how many. Any number
// may be at it. An event is delivered to an endpoint once, however often the log is looked through.
func (w *Webhooks) Spread(ctx context.Context) (made int, err error) {
	err = w.db.InTx(ctx, "make deliveries of events", func(tx pgx.Tx) error {
		// Whoever settles a delivery has its endpoint locked. In a statement of its own: the next one sees what was settled.
		rows, err := tx.Query(ctx, `
			SELECT e.id FROM webhook_endpoints e
			WHERE e.disabled_at IS NULL AND e.seen < (SELECT max(id) FROM events) ORDER BY e.seen LIMIT $1 FOR UPDATE SKIP LOCKED`, spreadEndpoints)
		if err != nil {
			return err
		}
		behind, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(behind) == 0 {
			return err
		}
		return tx.QueryRow(ctx, spread, behind, spreadEvents, maxWaiting).Scan(&made)
	})
	if err != nil {
		return 0, err
	}
	return made, nil
}

// spread makes the deliveries of endpoints, $1, of at most $2 events each, and of none for who has $3 that wait.
const spread = `
	WITH newest AS (
		SELECT max(id) AS id FROM events
	), wanted AS (
		SELECT e.id AS endpoint_id, v.id, v.order_id, coalesce(v.order_id::text, v.account) AS line
		FROM webhook_endpoints e CROSS JOIN LATERAL (
			SELECT * FROM events v
			WHERE v.id > e.seen AND (v.source = e.source OR v.source IS NULL)
				AND (v.type = ANY(e.types) OR e.types = '{}' AND v.type <> 'job.finished')
			ORDER BY v.id LIMIT $2
		) AS v
		WHERE e.id = ANY($1)
			AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting' LIMIT $3) AS waiting) < $3
	), made AS (
		INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, line, due_at)
		SELECT endpoint_id, id, order_id, line, CASE WHEN row_number() OVER (PARTITION BY endpoint_id, line ORDER BY id) = 1 AND NOT EXISTS (
			SELECT FROM webhook_deliveries d WHERE d.endpoint_id = w.endpoint_id AND d.line = w.line AND d.state = 'waiting' AND d.skipped_at IS NULL
		) THEN now() END
		FROM wanted w ORDER BY id
		ON CONFLICT (endpoint_id, event_id) DO NOTHING
		RETURNING 1
	), looked AS (
		SELECT e.id, CASE WHEN count(w.id) = $2 THEN max(w.id) ELSE newest.id END AS seen
		FROM webhook_endpoints e CROSS JOIN newest LEFT JOIN wanted w ON w.endpoint_id = e.id
		WHERE e.id = ANY($1)
			AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting' LIMIT $3) AS waiting) < $3
		GROUP BY e.id, newest.id
	), noted AS (
		UPDATE webhook_endpoints e SET seen = l.seen FROM looked l WHERE e.id = l.id
	)
	SELECT count(*) FROM made`

// Look marks the deliveries that were refused for too long, so that later ones of their lines go on without them, and lets lines go
// on that nothing moves. It forgets what ended long ago, at most limit deliveries. It returns how many were skipped.
func (w *Webhooks) Look(ctx context.Context, limit int) (skipped int, err error) {
	rows, err := w.db.Pool.Query(ctx, `
		SELECT DISTINCT endpoint_id FROM webhook_deliveries WHERE state = 'waiting' AND skipped_at IS NULL AND tried_at <= now() - make_interval(secs => $1)`,
		pg.Seconds(SkipAfter))
	if err != nil {
		return 0, pg.Failure("look for refused events", err)
	}
	endpoints, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, pg.Failure("look for refused events", err)
	}
	for _, id := range endpoints {
		n, err := w.skip(ctx, id)
		skipped += n
		if err != nil {
			return skipped, err
		}
	}
	_, err = w.db.Pool.Exec(ctx, `
		DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
			SELECT id FROM webhook_deliveries WHERE finished_at < now() - make_interval(secs => $1) ORDER BY finished_at LIMIT $2))`,
		pg.Seconds(Kept), limit)
	return skipped, pg.Failure("forget old deliveries", err)
}

func (w *Webhooks) skip(ctx context.Context, endpoint string) (skipped int, err error) {
	err = w.db.InTx(ctx, "skip refused events", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, endpoint); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE webhook_deliveries SET skipped_at = now()
			WHERE endpoint_id = $1 AND state = 'waiting' AND skipped_at IS NULL AND tried_at <= now() - make_interval(secs => $2)`,
			endpoint, pg.Seconds(SkipAfter))
		skipped = int(tag.RowsAffected())
		if err != nil || skipped == 0 {
			return err
		}
		_, err = tx.Exec(ctx, startLines, endpoint)
		return err
	})
	return skipped, err
}

// startLines makes the first of each line of an endpoint, $1, due, where nothing of the line is.
const startLines = `
	UPDATE webhook_deliveries d SET due_at = now()
	WHERE d.endpoint_id = $1 AND d.state = 'waiting' AND d.skipped_at IS NULL AND d.due_at IS NULL AND NOT EXISTS (
		SELECT FROM webhook_deliveries p
		WHERE p.endpoint_id = d.endpoint_id AND p.line = d.line AND p.state = 'waiting' AND p.skipped_at IS NULL AND p.id < d.id)`

// lock takes an endpoint, so that what is decided about its lines is decided by one at a time.
func lock(ctx context.Context, tx pgx.Tx, endpoint string) error {
	var found string
	return tx.QueryRow(ctx, `SELECT id FROM webhook_endpoints WHERE id = $1 FOR UPDATE`, endpoint).Scan(&found)
}

// orZero is a time that a row has, or zero.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
