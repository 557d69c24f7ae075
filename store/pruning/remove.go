package pruning

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Removed is what a step took away.
type Removed struct {
	Jobs   int
	Orders int  // that have nothing left to remove
	More   bool // there is something left to do now
}

// Remove takes one step: at most limit jobs of orders that Begin marked, or as many claims and their calls of such as have no jobs left.
// A job that somebody has had done once more stays until it is final again, and its order is looked at later. A claim stays as long as an order has
// jobs for which it was made. Several may take steps at once, each of other orders.
func (s *Pruner) Remove(ctx context.Context, limit int) (r Removed, err error) {
	err = s.db.InTx(ctx, "prune", func(tx pgx.Tx) error {
		r = Removed{}
		rows, err := tx.Query(ctx, `
			SELECT order_id, seq FROM prunings WHERE next_at <= now() ORDER BY next_at, order_id LIMIT $1 FOR UPDATE SKIP LOCKED`, ordersAtOnce)
		if err != nil {
			return err
		}
		var (
			orders []int64
			places []int32
			order  int64
			place  int32
		)
		if _, err := pgx.ForEachRow(rows, []any{&order, &place}, func() error {
			orders, places = append(orders, order), append(places, place)
			return nil
		}); err != nil || len(orders) == 0 {
			return err
		}
		if err := tx.QueryRow(ctx, removeJobs, orders, places, limit).Scan(&r.Jobs); err != nil {
			return err
		}
		var claims int
		if err := tx.QueryRow(ctx, removeClaims, orders, limit).Scan(&claims, &r.Orders); err != nil {
			return err
		}
		r.More = r.Jobs > 0 || claims > 0 || r.Orders > 0
		return nil
	})
	return r, err
}

// ordersAtOnce bounds the orders that one step looks at.
const ordersAtOnce = 500

// removeJobs removes final jobs of orders $1 behind the places $2, at most $3 of all, and notes how far it came. Where a job is not final,
// it looks again in an hour, from there.
const removeJobs = `
	WITH next AS (
		SELECT j.id, j.order_id, j.seq, j.finished_at IS NULL AS live
		FROM unnest($1::bigint[], $2::integer[]) WITH ORDINALITY AS n (order_id, seq, place) CROSS JOIN LATERAL (
			SELECT * FROM jobs WHERE order_id = n.order_id AND seq > n.seq ORDER BY seq LIMIT $3
		) AS j
		LIMIT $3
	), gone AS (
		DELETE FROM jobs j USING next WHERE j.id = next.id AND j.kind <> 'register' AND j.finished_at IS NOT NULL RETURNING j.id
	), noted AS (
		UPDATE prunings p SET seq = came.seq, next_at = CASE WHEN came.live THEN now() + interval '1 hour' ELSE p.next_at END
		FROM (
			SELECT order_id, bool_or(live) AS live, coalesce(min(seq) FILTER (WHERE live) - 1, max(seq)) AS seq FROM next GROUP BY order_id
		) AS came WHERE p.order_id = came.order_id
	)
	SELECT count(*) FROM gone`

// removeClaims removes claims, at most $2, with their calls, of those of orders $1 that have no jobs left, unless they were made for another
// order that has some. Orders without any are done.
const removeClaims = `
	WITH emptied AS (
		SELECT id FROM unnest($1::bigint[]) AS o (id) WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.order_id = o.id)
	), theirs AS (
		SELECT DISTINCT c.id FROM emptied e JOIN claims c ON c.order_ids @> ARRAY[e.id]
		WHERE c.kind <> 'register' AND NOT EXISTS (SELECT FROM unnest(c.order_ids) AS o (id) JOIN jobs j ON j.order_id = o.id)
		LIMIT $2
	), gone AS (
		DELETE FROM claims c USING theirs WHERE c.id = theirs.id RETURNING c.id
	), done AS (
		DELETE FROM prunings p USING emptied e WHERE p.order_id = e.id AND (SELECT count(*) FROM theirs) < $2 RETURNING p.order_id
	)
	SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM done)`
