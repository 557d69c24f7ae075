// Package pruning removes the jobs of orders that ended long ago and cost nothing: WHOIS checks and tokens. The order itself stays, and
// what it came to: its counts, labels and events.
//
// It must never remove a registration, or anything that shows what was paid for.
package pruning

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Pruner removes jobs from one database. It is safe for concurrent use, in any number of processes.
type Pruner struct {
	db *pg.DB
}

// New returns the Pruner of the database.
func New(db *pg.DB) *Pruner { return &Pruner{db: db} }

// ErrKind says that orders of that kind are kept for ever.
var ErrKind = errors.New("registrations are kept for ever")

// Age is what goes: orders of a kind whose last job ended longer ago than a time span.
type Age struct {
	Kind      record.Kind
	OlderThan time.Duration
}

// due says of order o that all of it is final, and was before the time that @older seconds ago was. Counts that are not summed up yet are
// of a moment ago.
const due = `o.kind = @kind AND o.pruned_at IS NULL AND o.created_at < now() - make_interval(secs => @older)
	AND EXISTS (SELECT FROM order_standings s WHERE s.order_id = o.id AND s.completed_jobs = o.total)
	AND NOT EXISTS (SELECT FROM order_counts c WHERE c.order_id = o.id AND c.last_at >= now() - make_interval(secs => @older))`

func (a Age) args() (pgx.NamedArgs, error) {
	if a.Kind == record.Register {
		return nil, ErrKind
	}
	return pgx.NamedArgs{"kind": a.Kind, "older": pg.Seconds(a.OlderThan)}, nil
}

// Plan is what removing comes to.
type Plan struct {
	Orders int
	Jobs   int
	Oldest time.Time // when the first of the orders was accepted; zero where there is none
}

// Plan counts what is due. It counts what the orders were accepted with.
func (s *Pruner) Plan(ctx context.Context, a Age) (Plan, error) {
	args, err := a.args()
	if err != nil {
		return Plan{}, err
	}
	var (
		p      Plan
		oldest *time.Time
	)
	err = s.db.Pool.QueryRow(ctx, `SELECT count(*), coalesce(sum(o.total), 0), min(o.created_at) FROM orders o WHERE `+due, args).
		Scan(&p.Orders, &p.Jobs, &oldest)
	if oldest != nil {
		p.Oldest = *oldest
	}
	return p, pg.Failure("plan pruning", err)
}

// Begin marks orders that are due, the oldest first and at most limit, and returns how many it marked: from then on none of their jobs is
// to be relied on, and Remove removes them.
func (s *Pruner) Begin(ctx context.Context, a Age, limit int) (orders int, err error) {
	args, err := a.args()
	if err != nil {
		return 0, err
	}
	args["limit"] = limit
	err = s.db.Pool.QueryRow(ctx, `
		WITH due AS (
			SELECT o.id FROM orders o WHERE `+due+` ORDER BY o.created_at LIMIT @limit FOR NO KEY UPDATE SKIP LOCKED
		), marked AS (
			UPDATE orders o SET pruned_at = now() FROM due WHERE o.id = due.id RETURNING o.id
		), noted AS (
			INSERT INTO prunings (order_id) SELECT id FROM marked
		)
		SELECT count(*) FROM marked`, args).Scan(&orders)
	return orders, pg.Failure("begin pruning", err)
}
