package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// HoldView is a hold as an operator sees it.
type HoldView struct {
	Account     string
	Reason      HoldReason
	Scope       Scope
	Since       time.Time
	Words       string // the upstream's; the operator's of a pause, and what bulkreg believes of HoldRestored
	Status      int
	Probes      int
	NextProbeAt time.Time // zero: none comes, a person lifts it
	PlacedBy    string    // the operator; "" for bulkreg itself
	Jobs        int       // that wait for it
	Orders      []string  // the references of the orders these belong to, oldest first, at most maxHoldOrders
}

// ByPerson says whether only a person lifts holds of this reason: no probe is ever due.
func (r HoldReason) ByPerson() bool { return r == HoldPaused || r == HoldRestored }

// stops says whether a hold of this scope stops jobs of a kind.
func (s Scope) stops(k Kind) bool { return s == ScopeAll || string(s) == string(k) }

const maxHoldOrders = 10

// never stands for a time that does not come: it is the zero time.
const never = `'0001-01-01 00:00:00+00'::timestamptz`

const holdColumns = `h.account, h.reason, h.scope, h.since, h.words, coalesce(h.status, 0), h.probes,
	coalesce(h.next_probe_at, ` + never + `), coalesce(h.placed_by, '')`

func (h *HoldView) scan() []any {
	return []any{&h.Account, &h.Reason, &h.Scope, &h.Since, &h.Words, &h.Status, &h.Probes, &h.NextProbeAt, &h.PlacedBy}
}

func scanHold(row pgx.CollectableRow) (HoldView, error) {
	var h HoldView
	return h, row.Scan(h.scan()...)
}

// Holds lists every hold, oldest first, with what waits for it.
func (s *Store) Holds(ctx context.Context) ([]HoldView, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+holdColumns+`,
			coalesce(sum(w.jobs), 0), coalesce((array_agg(w.reference ORDER BY w.id) FILTER (WHERE w.id IS NOT NULL))[1:$1], '{}')
		FROM holds h
		LEFT JOIN LATERAL (`+waitingFor+`) AS w ON true
		GROUP BY h.account, h.reason
		ORDER BY h.since, h.account, h.reason`, maxHoldOrders)
	if err != nil {
		return nil, failure("list holds", err)
	}
	holds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (HoldView, error) {
		var h HoldView
		return h, row.Scan(append(h.scan(), &h.Jobs, &h.Orders)...)
	})
	return holds, failure("list holds", err)
}

// waitingFor counts, by order, the jobs that wait for hold h: those that are held, and those never delivered.
const waitingFor = `
	SELECT o.id, o.reference, sum(n) AS jobs FROM (
		SELECT order_id, count(*) AS n FROM jobs
		WHERE held_account = h.account AND (h.scope = 'all' OR kind = h.scope) GROUP BY order_id
		UNION ALL
		SELECT order_id, sum(last_seq - first_seq + 1) FROM chunks
		WHERE account = h.account AND (h.scope = 'all' OR kind = h.scope) AND wake_at IS NULL GROUP BY order_id
	) AS waiting (order_id, n) JOIN orders o ON o.id = waiting.order_id
	GROUP BY o.id, o.reference`

// OrderHold is an order that an operator has paused.
type OrderHold struct {
	Order
	Since    time.Time
	PlacedBy string
	Words    string
	Jobs     int // that wait for it
}

const orderHoldColumns = orderColumns + `, oh.since, oh.placed_by, oh.words`

func (h *OrderHold) scan() []any { return append(h.Order.scan(), &h.Since, &h.PlacedBy, &h.Words) }

func scanOrderHold(row pgx.CollectableRow) (OrderHold, error) {
	var h OrderHold
	return h, row.Scan(h.scan()...)
}

// OrderHolds lists the orders that are paused, the longest paused first, with the jobs that wait for that.
func (s *Store) OrderHolds(ctx context.Context) ([]OrderHold, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+orderHoldColumns+`, w.jobs
		FROM order_holds oh JOIN orders o ON o.id = oh.order_id CROSS JOIN LATERAL (`+waitingInOrder+`) AS w
		ORDER BY oh.since, o.id`)
	if err != nil {
		return nil, failure("list paused orders", err)
	}
	holds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (OrderHold, error) {
		var h OrderHold
		return h, row.Scan(append(h.scan(), &h.Jobs)...)
	})
	return holds, failure("list paused orders", err)
}

// waitingInOrder counts the jobs of order o that wait to go on: those that are held, and those never delivered. Canceled ones
// do not go on.
const waitingInOrder = `
	SELECT (SELECT count(*) FROM jobs j WHERE j.order_id = o.id AND j.state = 'held' AND NOT j.canceling)
		+ (SELECT count(*) FROM chunks t CROSS JOIN LATERAL (` + jobsOfChunk + `) AS fresh WHERE t.order_id = o.id AND t.wake_at IS NULL) AS jobs`
