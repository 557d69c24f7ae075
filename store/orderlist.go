package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// FindOrder finds the order of that source and reference, or fails with ErrNotFound.
func (s *Store) FindOrder(ctx context.Context, source, reference string) (Order, error) {
	var o Order
	err := s.pool.QueryRow(ctx, `SELECT `+orderColumns+` FROM orders o WHERE o.source = $1 AND o.reference = $2`,
		source, reference).Scan(o.scan()...)
	return o, failure("find order", err)
}

// ListOrders lists the newest orders, at most limit of them, of one source or ("") of all.
func (s *Store) ListOrders(ctx context.Context, source string, limit int) ([]Summary, error) {
	return s.listOrders(ctx, `
		SELECT `+orderColumns+` FROM orders o
		WHERE $1 = '' OR o.source = $1
		ORDER BY o.created_at DESC, o.id DESC LIMIT $2`, source, limit)
}

func (s *Store) listOrders(ctx context.Context, sql string, args ...any) ([]Summary, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, failure("list orders", err)
	}
	orders, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Summary, error) {
		var sum Summary
		return sum, row.Scan(sum.scan()...)
	})
	if err != nil {
		return nil, failure("list orders", err)
	}
	for i := range orders {
		if err := s.summarize(ctx, &orders[i]); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// Summarize counts an order's jobs by state and outcome, and its calls.
func (s *Store) Summarize(ctx context.Context, o Order) (Summary, error) {
	sum := Summary{Order: o}
	return sum, s.summarize(ctx, &sum)
}

func (s *Store) summarize(ctx context.Context, sum *Summary) error {
	var batch pgx.Batch
	batch.Queue(`SELECT total FROM orders WHERE id = $1`, sum.ID)
	batch.Queue(`
		SELECT state, coalesce(outcome, ''), count(*), max(finished_at)
		FROM jobs WHERE order_id = $1 GROUP BY state, outcome`, sum.ID)
	batch.Queue(`
		SELECT count(*) FROM calls c JOIN claims cl ON cl.id = c.claim_id
		WHERE cl.order_ids @> ARRAY[$1::bigint]`, sum.ID)
	err := s.readBatch(ctx, &batch, func(results pgx.BatchResults) error { return readSummary(results, sum) })
	return failure("count jobs of order", err)
}

func readSummary(results pgx.BatchResults, sum *Summary) error {
	if err := results.QueryRow().Scan(&sum.Total); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	sum.Counts, sum.Outcomes = map[State]int{}, map[Outcome]int{}
	var (
		state    State
		outcome  Outcome
		n        int
		finished *time.Time
		last     time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&state, &outcome, &n, &finished}, func() error {
		sum.Counts[state] += n
		if outcome != "" {
			sum.Outcomes[outcome] += n
		}
		if finished != nil && finished.After(last) {
			last = *finished
		}
		return nil
	})
	if err != nil {
		return err
	}
	if sum.Done() {
		sum.FinishedAt = last
	}
	return results.QueryRow().Scan(&sum.Calls)
}
