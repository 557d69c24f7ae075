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
	for i := range orders {
		if err := s.summarize(ctx, &orders[i]); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// Summarize counts an order's jobs by state and outcome, and its calls.
func (s *Orders) Summarize(ctx context.Context, o record.Order) (record.Summary, error) {
	sum := record.Summary{Order: o}
	return sum, s.summarize(ctx, &sum)
}

func (s *Orders) summarize(ctx context.Context, sum *record.Summary) error {
	var batch pgx.Batch
	batch.Queue(`SELECT total FROM orders WHERE id = $1`, sum.ID)
	batch.Queue(`
		SELECT state, coalesce(outcome, ''), count(*), max(finished_at)
		FROM jobs WHERE order_id = $1 GROUP BY state, outcome`, sum.ID)
	batch.Queue(`
		SELECT count(*) FROM calls c JOIN claims cl ON cl.id = c.claim_id
		WHERE cl.order_ids @> ARRAY[$1::bigint]`, sum.ID)
	err := s.db.ReadBatch(ctx, &batch, func(results pgx.BatchResults) error { return readSummary(results, sum) })
	return pg.Failure("count jobs of order", err)
}

func readSummary(results pgx.BatchResults, sum *record.Summary) error {
	if err := results.QueryRow().Scan(&sum.Total); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	sum.Counts, sum.Outcomes = map[record.State]int{}, map[record.Outcome]int{}
	var (
		state    record.State
		outcome  record.Outcome
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
