package events

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Bookkeeper sums up what was noted, and brings new events into the log. Any number may be at it, of whom one works at a time.
// One is used by one goroutine.
type Bookkeeper struct {
	events *Events
	// taken is the greatest id of a note that it has taken, and looked when it last looked below it. While somebody keeps an old
	// snapshot open, as whoever exports an order does, Postgres cannot forget notes that were taken: who looks at all of them
	// each time passes over more and more.
	taken  int64
	looked time.Time
}

// Bookkeeper returns a new one.
func (e *Events) Bookkeeper() *Bookkeeper { return &Bookkeeper{events: e} }

// lookBack is how often a bookkeeper looks for notes below those that it has taken: of a transaction that took long. Until then
// readers add them up by themselves.
const lookBack = 5 * time.Second

// Kept is what one round of a bookkeeper did.
type Kept struct {
	Elsewhere bool // somebody else is at it: nothing was done
	Changes   int  // notes of changes that were summed up
	Events    int  // that came into the log
	// Orders are what the newest of them say of orders as a whole, at most maxTold.
	Orders []OrderEvent
}

// OrderEvent is an event of an order as a whole.
type OrderEvent struct {
	Type Type
	record.Order
	Trace string // where it came in, a traceparent; "": it has none
}

// maxTold bounds how many events of orders a round reports.
const maxTold = 100

// bookkeeperLock lets one bookkeeper work at a time, so that ids of events are given in the order in which they can be read.
const bookkeeperLock = 0x626f6f6b // "book"

// Round sums up at most limit notes of changes, tells of orders that completed or need a person by that, and moves at most limit
// new events into the log. Notes and events are taken in the order of their ids: what follows from another one has a
// greater id, and is never taken before it.
func (b *Bookkeeper) Round(ctx context.Context, limit int) (Kept, error) {
	var kept Kept
	above := b.taken
	if now := time.Now(); now.Sub(b.looked) >= lookBack {
		above, b.looked = 0, now
	}
	db := b.events.db
	var any bool
	err := db.Pool.QueryRow(ctx, `
		SELECT (SELECT min(id) FROM order_changes WHERE id > $1) IS NOT NULL OR (SELECT min(id) FROM new_events) IS NOT NULL`, above).Scan(&any)
	if err != nil || !any {
		return kept, pg.Failure("look for notes", err)
	}
	err = db.InTx(ctx, "keep books", func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, bookkeeperLock).Scan(&mine); err != nil || !mine {
			kept.Elsewhere = !mine && err == nil
			return err
		}
		touched, err := b.sumUp(ctx, tx, above, limit, &kept)
		if err != nil {
			return err
		}
		if len(touched) > 0 {
			if _, err := tx.Exec(ctx, tellOfOrders, touched); err != nil {
				return err
			}
		}
		return moved(ctx, tx, limit, &kept)
	})
	if err != nil {
		return Kept{}, err
	}
	if kept.Events > 0 {
		db.Tell(pg.EventChannel, "")
	}
	return kept, nil
}

// moved moves new events into the log.
func moved(ctx context.Context, tx pgx.Tx, limit int, kept *Kept) error {
	rows, err := tx.Query(ctx, moveEvents, limit, maxTold)
	if err != nil {
		return err
	}
	var (
		kind *Type
		o    OrderEvent
	)
	_, err = pgx.ForEachRow(rows, []any{&kept.Events, &kind, &o.Source, &o.Reference, &o.Kind, &o.Account, &o.Total, &o.Trace}, func() error {
		if kind != nil {
			o.Type = *kind
			kept.Orders = append(kept.Orders, o)
		}
		return nil
	})
	return err
}

// sumUp adds notes to the counts of their orders, and returns these orders.
func (b *Bookkeeper) sumUp(ctx context.Context, tx pgx.Tx, above int64, limit int, kept *Kept) ([]int64, error) {
	rows, err := tx.Query(ctx, `
		WITH taken AS (
			DELETE FROM order_changes WHERE id = ANY(ARRAY(SELECT id FROM order_changes WHERE id > $2 ORDER BY id LIMIT $1))
			RETURNING id, order_id, state, outcome, n, at
		), summed AS (
			SELECT order_id, state, outcome, sum(n) AS n, max(at) AS last_at, count(*) AS notes, max(id) AS newest FROM taken GROUP BY order_id, state, outcome
		), added AS (
			INSERT INTO order_counts AS c (order_id, state, outcome, n, last_at)
			SELECT s.order_id, s.state, s.outcome, s.n, s.last_at FROM summed s
			WHERE EXISTS (SELECT FROM orders o WHERE o.id = s.order_id)
			ON CONFLICT (order_id, state, outcome) DO UPDATE SET n = c.n + excluded.n, last_at = greatest(c.last_at, excluded.last_at)
		)
		SELECT order_id, sum(notes), max(newest) FROM summed GROUP BY order_id`, limit, above)
	if err != nil {
		return nil, err
	}
	var (
		touched []int64
		order   int64
		notes   int
		newest  int64
	)
	_, err = pgx.ForEachRow(rows, []any{&order, &notes, &newest}, func() error {
		touched, kept.Changes = append(touched, order), kept.Changes+notes
		b.taken = max(b.taken, newest)
		return nil
	})
	return touched, err
}

// tellOfOrders compares orders, $1, with what was told of them, and tells what is new. An order that grows after it completed
// completes once more. Its total is read after its counts: it only grows, so that these never add up to it too early.
const tellOfOrders = `
	WITH standing AS (
		SELECT o.id, o.source, o.account, o.total, coalesce(s.completed_jobs, -1) AS told, coalesce(s.attention, false) AS attended,
			sum(c.n) FILTER (WHERE c.state IN ('succeeded', 'failed', 'canceled')) = o.total AS complete,
			coalesce(sum(c.n) FILTER (WHERE c.state = 'unconfirmed'), 0) AS unconfirmed,
			jsonb_object_agg(CASE WHEN c.outcome = '' THEN c.state ELSE c.outcome END, c.n)
				FILTER (WHERE c.n > 0 AND c.state IN ('succeeded', 'failed', 'canceled')) AS outcomes
		FROM unnest($1::bigint[]) AS touched (id) JOIN orders o ON o.id = touched.id JOIN order_counts c ON c.order_id = o.id
		LEFT JOIN order_standings s ON s.order_id = o.id
		GROUP BY o.id, s.order_id
	), changed AS (
		SELECT *, CASE WHEN complete THEN total END AS now_told, unconfirmed > 0 AS attention FROM standing
		WHERE coalesce(complete, false) AND told <> total OR NOT coalesce(complete, false) AND told <> -1 OR attended <> (unconfirmed > 0)
	), noted AS (
		INSERT INTO order_standings AS s (order_id, completed_jobs, attention) SELECT id, now_told, attention FROM changed
		ON CONFLICT (order_id) DO UPDATE SET completed_jobs = excluded.completed_jobs, attention = excluded.attention
	)
	INSERT INTO new_events (type, source, order_id, account, data)
	SELECT 'order.needs_attention', source, id, account, jsonb_build_object('unconfirmed', unconfirmed) FROM changed WHERE attention AND NOT attended
	UNION ALL
	SELECT 'order.completed', source, id, account, jsonb_build_object('outcomes', coalesce(outcomes, '{}'))
	FROM changed WHERE complete AND told <> total`

const moveEvents = `
	WITH moved AS (
		DELETE FROM new_events WHERE id = ANY(ARRAY(SELECT id FROM new_events ORDER BY id LIMIT $1))
		RETURNING id, type, at, source, order_id, job_id, account, data
	), written AS (
		INSERT INTO events (type, at, source, order_id, job_id, account, data)
		SELECT type, at, source, order_id, job_id, account, data FROM moved ORDER BY id
	), told AS (
		SELECT m.id, m.type, o.source, o.reference, o.kind, o.account, o.total, o.trace FROM moved m JOIN orders o ON o.id = m.order_id
		WHERE m.job_id IS NULL ORDER BY m.id DESC LIMIT $2
	)
	SELECT (SELECT count(*) FROM moved), t.type, coalesce(t.source, ''), coalesce(t.reference, ''), coalesce(t.kind, ''), coalesce(t.account, ''), coalesce(t.total, 0), coalesce(t.trace, '')
	FROM (SELECT) AS always LEFT JOIN told t ON true ORDER BY t.id`
