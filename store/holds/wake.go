package holds

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// WakeHeld makes at most limit held jobs of an account due that no hold covers any more, the oldest order's first. It
// returns how many. Whoever waits for a hold that still stands, or for a paused order, is not even read: every worker looks each
// second.
func (s *Holds) WakeHeld(ctx context.Context, account string, limit int) (int, error) {
	tag, err := s.db.Pool.Exec(ctx, `
		WITH free AS (
			SELECT waiting.id FROM (
				SELECT $1::text AS name, k.kind FROM unnest($3::text[]) AS k (kind)
				WHERE NOT EXISTS (SELECT FROM holds h WHERE h.account = $1 AND (h.scope = 'all' OR h.scope = k.kind)) OFFSET 0
			) AS a CROSS JOIN LATERAL (SELECT a.kind) AS k CROSS JOIN LATERAL (`+heldOrders+`) AS o CROSS JOIN LATERAL (
				SELECT j.id FROM jobs j
				WHERE j.held_account IS NOT NULL AND (j.held_account, j.kind, j.order_id) >= (a.name, k.kind, o.order_id)
					AND (j.held_account, j.kind, j.order_id) < (a.name, k.kind, o.order_id + 1)
				ORDER BY j.held_account, j.kind, j.order_id, j.seq LIMIT $2 FOR UPDATE SKIP LOCKED
			) AS waiting
			LIMIT $2
		)
		UPDATE jobs j SET state = 'queued', wake_at = now() FROM free WHERE j.id = free.id`, account, limit, []record.Kind{record.Whois, record.Register, record.Token})
	return int(tag.RowsAffected()), pg.Failure("wake held jobs", err)
}

// WakeCanceled makes at most limit held jobs due that an operator has canceled, unless a hold forbids even the check that
// they wait for. It returns how many.
func (s *Holds) WakeCanceled(ctx context.Context, account string, limit int) (int, error) {
	tag, err := s.db.Pool.Exec(ctx, `
		WITH free AS (
			SELECT j.id FROM jobs j
			WHERE j.account = $1 AND j.canceling AND j.state = 'held' AND `+NotPaused+`
			AND NOT EXISTS (SELECT FROM holds h WHERE h.account = $1 AND h.scope = 'all')
			LIMIT $2 FOR UPDATE OF j SKIP LOCKED
		)
		UPDATE jobs j SET state = 'queued', wake_at = now() FROM free WHERE j.id = free.id`, account, limit)
	return int(tag.RowsAffected()), pg.Failure("wake canceled jobs", err)
}

// NotPaused is said of jobs j whose order nobody has paused.
const NotPaused = `NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = j.order_id)`

// heldOrders are the orders that have held jobs of account a.name and kind k.kind and are not paused. Each step is one look into
// the index jobs_held_orders, and no more steps are made than rows are read. Rows are compared with all of its columns, and not
// for equality: an index on orders alone would do otherwise, and would read all that is not held.
const heldOrders = `
	WITH RECURSIVE held AS (
		SELECT 0::bigint AS order_id
		UNION ALL
		SELECT next.order_id FROM held CROSS JOIN LATERAL (
			SELECT j.held_account, j.kind, j.order_id FROM jobs j
			WHERE j.held_account IS NOT NULL AND (j.held_account, j.kind, j.order_id) > (a.name, k.kind, held.order_id)
			ORDER BY j.held_account, j.kind, j.order_id LIMIT 1
		) AS next
		WHERE next.held_account = a.name AND next.kind = k.kind
	)
	SELECT order_id FROM held
	WHERE order_id > 0 AND NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = held.order_id OFFSET 0)`
