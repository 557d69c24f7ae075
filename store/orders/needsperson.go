package orders

import (
	"context"

	"github.com/bulkreg/bulkreg/store/record"
)

// NeedingPerson lists the newest orders that wait for a person, at most limit of them, of one source or ("") of all: those
// with jobs that somebody must decide on, those that are paused by themselves, and those with jobs that stand still for a hold that
// does not go by itself.
func (s *Orders) NeedingPerson(ctx context.Context, source string, limit int) ([]record.Summary, error) {
	return s.listOrders(ctx, `
		WITH RECURSIVE held AS (
			SELECT first.* FROM holds h CROSS JOIN LATERAL (
				SELECT k.kind, h.account, (SELECT j.order_id FROM jobs j WHERE j.held_account = h.account AND j.kind = k.kind
					ORDER BY j.held_account, j.kind, j.order_id LIMIT 1) AS order_id
				FROM unnest(ARRAY['whois', 'register', 'token']) AS k (kind)
				WHERE h.scope = 'all' OR h.scope = k.kind
			) AS first
			WHERE h.reason NOT IN ('outage', 'daily_limit') AND first.order_id IS NOT NULL
			UNION
			SELECT held.kind, held.account, (SELECT j.order_id FROM jobs j
				WHERE j.held_account = held.account AND j.kind = held.kind AND j.order_id > held.order_id
				ORDER BY j.held_account, j.kind, j.order_id LIMIT 1)
			FROM held WHERE held.order_id IS NOT NULL
		), waiting AS (
			SELECT unconfirmed_order AS id FROM jobs WHERE unconfirmed_order IS NOT NULL
			UNION SELECT order_id FROM order_holds
			UNION SELECT order_id FROM held
			UNION SELECT c.order_id FROM holds h CROSS JOIN unnest(ARRAY['whois', 'register', 'token']) AS k (kind)
				CROSS JOIN unnest(ARRAY['plain', 'bulk']) AS l (lane)
				JOIN chunks c ON c.kind = k.kind AND c.lane = l.lane AND c.account = h.account AND c.wake_at IS NULL
				WHERE h.reason NOT IN ('outage', 'daily_limit') AND (h.scope = 'all' OR h.scope = k.kind)
		)
		SELECT `+record.OrderColumns+` FROM waiting JOIN orders o ON o.id = waiting.id
		WHERE $1 = '' OR o.source = $1
		ORDER BY o.created_at DESC, o.id DESC LIMIT $2`, source, limit)
}
