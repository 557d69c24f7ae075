package fleet

import (
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// StatusInProgress bounds the orders in progress that a Status names.
const StatusInProgress = 5

// OrderProgress is how far an order is that has jobs which go on by themselves, or wait for a hold.
type OrderProgress struct {
	record.Order
	// Undelivered are the jobs that were never delivered yet.
	Undelivered int
	Ended       int // final jobs
}

func scanOrderProgress(row pgx.CollectableRow) (OrderProgress, error) {
	var o OrderProgress
	err := row.Scan(append(o.Fields(), &o.Undelivered, &o.Ended)...)
	return o, err
}

// ordersInProgress finds the newest orders with work, in the places where lotParts counts it. Among held jobs and fresh chunks it goes
// from order to order, each by one look into an index; of the others it looks at as many as are counted.
const ordersInProgress = `
	WITH RECURSIVE ` + eachFreshLot + `, fresh AS (
		SELECT lot.kind, lot.lane, lot.account, NULL::bigint AS order_id, 0 AS n FROM lot
		UNION ALL
		SELECT f.kind, f.lane, f.account, newest.order_id, f.n + 1 FROM fresh f CROSS JOIN LATERAL (
			SELECT c.order_id FROM chunks c WHERE c.kind = f.kind AND c.lane = f.lane AND c.account = f.account AND c.wake_at IS NULL
				AND c.order_id < coalesce(f.order_id, 9223372036854775807)
			ORDER BY c.kind DESC, c.lane DESC, c.account DESC, c.order_id DESC LIMIT 1
		) AS newest WHERE f.n < $2
	), held_lot AS (
		(SELECT held_account, kind FROM jobs WHERE held_account IS NOT NULL ORDER BY held_account, kind LIMIT 1)
		UNION ALL
		SELECT next.* FROM held_lot AS lot CROSS JOIN LATERAL (
			SELECT j.held_account, j.kind FROM jobs j
			WHERE j.held_account IS NOT NULL AND (j.held_account, j.kind) > (lot.held_account, lot.kind)
			ORDER BY j.held_account, j.kind LIMIT 1
		) AS next
	), held AS (
		SELECT lot.held_account, lot.kind, NULL::bigint AS order_id, 0 AS n FROM held_lot AS lot
		UNION ALL
		SELECT h.held_account, h.kind, newest.order_id, h.n + 1 FROM held h CROSS JOIN LATERAL (
			SELECT j.order_id FROM jobs j WHERE j.held_account = h.held_account AND j.kind = h.kind
				AND j.order_id < coalesce(h.order_id, 9223372036854775807)
			ORDER BY j.held_account DESC, j.kind DESC, j.order_id DESC LIMIT 1
		) AS newest WHERE h.n < $2
	), delivered AS (
		(SELECT * FROM chunks WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT least($1, 100))
		UNION
		(SELECT * FROM chunks WHERE wake_at IS NOT NULL ORDER BY wake_at DESC LIMIT least($1, 100))
	), open AS (
		SELECT id, job_ids FROM claims WHERE closed_at IS NULL AND lease_until > now() ORDER BY lease_until LIMIT $1
	), candidate AS (
		SELECT order_id FROM fresh WHERE order_id IS NOT NULL
		UNION SELECT order_id FROM held WHERE order_id IS NOT NULL
		UNION SELECT d.order_id FROM delivered d WHERE EXISTS (SELECT FROM jobs j
			WHERE j.order_id = d.order_id AND j.seq BETWEEN d.first_seq AND d.last_seq AND j.state = 'queued' AND j.wake_at IS NULL)
		UNION SELECT j.order_id FROM open c JOIN jobs j ON j.id = ANY(c.job_ids) AND j.claim_id = c.id AND j.state = 'running'
		UNION SELECT order_id FROM (SELECT order_id FROM jobs WHERE wake_at IS NOT NULL ORDER BY kind, lane, account, wake_at LIMIT $1) AS waiting
	), named AS (
		SELECT ` + record.OrderColumns + ` FROM candidate JOIN orders o ON o.id = candidate.order_id
		ORDER BY o.created_at DESC, o.id DESC LIMIT $2
	)
	SELECT o.*, (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM chunks c WHERE c.order_id = o.id AND c.wake_at IS NULL),
		(SELECT coalesce(sum(kept.n), 0) FROM (
			SELECT c.state, c.n FROM order_counts c WHERE c.order_id = o.id UNION ALL SELECT c.state, c.n FROM order_changes c WHERE c.order_id = o.id
		) AS kept WHERE kept.state IN ('succeeded', 'failed', 'canceled'))
	FROM named o ORDER BY o.created_at DESC, o.id DESC`
