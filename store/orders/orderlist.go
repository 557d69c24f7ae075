package orders

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Find finds the order of that source and reference, or fails with ErrNotFound.
func (s *Orders) Find(ctx context.Context, source, reference string) (record.Order, error) {
	var o record.Order
	err := s.db.Pool.QueryRow(ctx, `SELECT `+record.OrderColumns+` FROM orders o WHERE o.source = $1 AND o.reference = $2`,
		source, reference).Scan(o.Fields()...)
	return o, pg.Failure("find order", err)
}

// List lists the newest orders, at most limit of them, of one source or ("") of all.
func (s *Orders) List(ctx context.Context, source string, limit int) ([]record.Summary, error) {
	return s.listOrders(ctx, `
		SELECT `+record.OrderColumns+` FROM orders o
		WHERE $1 = '' OR o.source = $1
		ORDER BY o.created_at DESC, o.id DESC LIMIT $2`, source, limit)
}

func (s *Orders) listOrders(ctx context.Context, sql string, args ...any) ([]record.Summary, error) {
	rows, err := s.db.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, pg.Failure("list orders", err)
	}
	orders, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record.Summary, error) {
		var sum record.Summary
		return sum, row.Scan(sum.Fields()...)
	})
	if err != nil {
		return nil, pg.Failure("list orders", err)
	}
	return orders, s.summarize(ctx, orders)
}

// Summarize says how far an order is: its jobs by state and outcome, and its calls.
func (s *Orders) Summarize(ctx context.Context, o record.Order) (record.Summary, error) {
	sums := []record.Summary{{Order: o}}
	err := s.summarize(ctx, sums)
	return sums[0], err
}

// summarize fills in what is kept of some orders, in one look: what was summed up, and what was noted since. Jobs that are queued
// are not kept, as they are all the others.
func (s *Orders) summarize(ctx context.Context, sums []record.Summary) error {
	ids, places := make([]int64, len(sums)), make(map[int64]int, len(sums))
	for i, sum := range sums {
		ids[i], places[sum.ID] = sum.ID, i
	}
	rows, err := s.db.Pool.Query(ctx, `
		SELECT order_id, state, outcome, sum(n), max(at) FROM (
			SELECT id AS order_id, 'total' AS state, '' AS outcome, total AS n, created_at AS at FROM orders WHERE id = ANY($1)
			UNION ALL SELECT order_id, state, outcome, n, last_at FROM order_counts WHERE order_id = ANY($1)
			UNION ALL SELECT order_id, state, outcome, n, at FROM order_changes WHERE order_id = ANY($1)
		) AS kept GROUP BY order_id, state, outcome HAVING sum(n) <> 0`, ids)
	if err != nil {
		return pg.Failure("read counts of orders", err)
	}
	lasts, found := make([]time.Time, len(sums)), 0
	var (
		order          int64
		state, outcome string
		n              int
		at             time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&order, &state, &outcome, &n, &at}, func() error {
		i := places[order]
		if state == keptTotal {
			found++
		}
		if addCount(&sums[i], state, record.Outcome(outcome), n) && at.After(lasts[i]) {
			lasts[i] = at
		}
		return nil
	})
	if err == nil && found < len(sums) {
		err = pg.ErrNotFound
	}
	if err != nil {
		return pg.Failure("read counts of orders", err)
	}
	for i := range sums {
		finish(&sums[i], lasts[i])
	}
	return nil
}

// What is kept under other names than a job's state.
const (
	keptTotal = "total"
	keptCalls = "calls"
)

// addCount adds what is kept under a name to a summary, and reports whether it is of final jobs.
func addCount(sum *record.Summary, state string, outcome record.Outcome, n int) (final bool) {
	switch state {
	case keptTotal:
		sum.Total = n
		return false
	case keptCalls:
		sum.Calls = n
		return false
	}
	if sum.Counts == nil {
		sum.Counts, sum.Outcomes = map[record.State]int{}, map[record.Outcome]int{}
	}
	sum.Counts[record.State(state)] += n
	if outcome != "" {
		sum.Outcomes[outcome] += n
	}
	return record.State(state).Final()
}

// finish fills in what follows from the rest.
func finish(sum *record.Summary, last time.Time) {
	if sum.Counts == nil {
		sum.Counts, sum.Outcomes = map[record.State]int{}, map[record.Outcome]int{}
	}
	queued := sum.Total
	for _, n := range sum.Counts {
		queued -= n
	}
	if queued != 0 {
		sum.Counts[record.Queued] = queued
	}
	if sum.Done() {
		sum.FinishedAt = last
	}
}
