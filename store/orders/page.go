package orders

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// PageFilter narrows a page of a source's orders. Whether an order is done, or needs a person, is as the bookkeeper has told it: it
// may be a moment late.
type PageFilter struct {
	Source         string
	Kind           record.Kind       // "" for all
	Done           *bool             // nil for both
	NeedsAttention bool              // only those with jobs that a person must decide on
	Labels         map[string]string // all of them
	From, Until    time.Time         // of its creation, From included and Until not; zero: no bound
	Before         int64             // only orders that came before this one; 0: the newest
	Limit          int
}

// Page lists a source's orders, the newest first.
func (s *Orders) Page(ctx context.Context, f PageFilter) ([]record.Summary, error) {
	return s.listOrders(ctx, `
		SELECT `+record.OrderColumns+` FROM orders o LEFT JOIN order_standings s ON s.order_id = o.id
		WHERE o.source = @source AND (@before::bigint = 0 OR o.id < @before) AND (@kind = '' OR o.kind = @kind)
			AND (@done::boolean IS NULL OR (s.completed_jobs IS NOT DISTINCT FROM o.total) = @done)
			AND (NOT @attention OR coalesce(s.attention, false)) AND (@labels::jsonb IS NULL OR o.labels @> @labels)
			AND (@from::timestamptz IS NULL OR o.created_at >= @from) AND (@until::timestamptz IS NULL OR o.created_at < @until)
		ORDER BY o.id DESC LIMIT @limit`,
		pgx.NamedArgs{
			"source": f.Source, "before": f.Before, "kind": f.Kind, "done": f.Done, "attention": f.NeedsAttention, "labels": labelsOrNull(f.Labels),
			"from": record.OrNull(f.From), "until": record.OrNull(f.Until), "limit": f.Limit,
		})
}

// Labels are those of some orders, by their ids.
func (s *Orders) Labels(ctx context.Context, ids ...int64) (map[int64]map[string]string, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT id, labels FROM orders WHERE id = ANY($1) AND labels IS NOT NULL`, ids)
	if err != nil {
		return nil, pg.Failure("read labels", err)
	}
	found := make(map[int64]map[string]string, len(ids))
	for rows.Next() {
		var (
			id     int64
			labels map[string]string
		)
		if err := rows.Scan(&id, &labels); err != nil {
			rows.Close()
			return nil, pg.Failure("read labels", err)
		}
		found[id] = labels
	}
	return found, pg.Failure("read labels", rows.Err())
}
