// Package events keeps what outsiders may want to know: the log of events, and the counts of each order that a reader finds
// instead of counting jobs.
//
// What changes is noted by the database itself, in the transaction of the change, whichever statement makes it. The bookkeeper
// brings these notes into their order and sums them up. Nothing here may change a job, and no event is changed once it is in the
// log.
package events

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Events reads and keeps the log of one database. Use is safe from several goroutines.
type Events struct {
	db *pg.DB
}

// New returns the Events of the database.
func New(db *pg.DB) *Events { return &Events{db: db} }

// Type says what happened.
type Type string

// The types of events.
const (
	OrderAccepted       Type = "order.accepted"        // its first jobs are rows
	OrderCompleted      Type = "order.completed"       // every job is final; once more when jobs were added or tried again, and ended
	OrderNeedsAttention Type = "order.needs_attention" // a person must decide on some job of it
	HoldPlaced          Type = "hold.placed"           // an account, or a paused order, stands still
	HoldLifted          Type = "hold.lifted"
	JobFinished         Type = "job.finished" // only where the source wants it
	WebhookDisabled     Type = "webhook.disabled"
)

// Types lists every type, in the order in which people read them.
func Types() []Type {
	return []Type{OrderAccepted, OrderCompleted, OrderNeedsAttention, HoldPlaced, HoldLifted, JobFinished, WebhookDisabled}
}

// Event is a row of the log.
type Event struct {
	ID        int64 // greater than that of every event that was committed before
	Type      Type
	At        time.Time // of what it tells
	Source    string    // whose order; "" where it is about an account
	Reference string
	OrderID   int64
	Job       uuid.UUID       // zero where it is about more than a job
	Domain    string          // of the job
	Account   string          // "" where it is about a webhook
	Data      json.RawMessage // an object: state and outcome, outcomes, reason and scope, webhook and reason
}

// Filter says which events a reader wants.
type Filter struct {
	After  int64  // only those with a greater id
	Source string // those of this source and those of accounts; "": all
	Order  int64  // those of this order; 0: all
	Types  []Type // none: all
	Limit  int
}

func (f Filter) types() []string {
	types := make([]string, len(f.Types))
	for i, t := range f.Types {
		types[i] = string(t)
	}
	return types
}

// Since lists events in the order of their ids. A reader that goes on behind the last one that it got misses none.
func (e *Events) Since(ctx context.Context, f Filter) ([]Event, error) {
	rows, err := e.db.Pool.Query(ctx, `
		SELECT e.id, e.type, e.at, coalesce(e.source, ''), coalesce(o.reference, ''), coalesce(e.order_id, 0),
			coalesce(e.job_id, '00000000-0000-0000-0000-000000000000'), coalesce(j.domain, ''), e.account, e.data
		FROM (
			SELECT * FROM events e
			WHERE e.id > @after AND `+f.where()+` AND (cardinality(@types::text[]) = 0 OR e.type = ANY(@types))
			ORDER BY e.id LIMIT @limit
		) AS e LEFT JOIN orders o ON o.id = e.order_id LEFT JOIN jobs j ON j.id = e.job_id
		ORDER BY e.id`,
		pgx.NamedArgs{"after": f.After, "source": f.Source, "order": f.Order, "types": f.types(), "limit": f.Limit})
	if err != nil {
		return nil, pg.Failure("read events", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var ev Event
		return ev, row.Scan(&ev.ID, &ev.Type, &ev.At, &ev.Source, &ev.Reference, &ev.OrderID, pg.BytesOf(&ev.Job), &ev.Domain, &ev.Account, &ev.Data)
	})
	return found, pg.Failure("read events", err)
}

// where narrows events e to those of a source or an order, each by an index of its own.
func (f Filter) where() string {
	switch {
	case f.Order != 0:
		return `e.order_id = @order AND (@source = '' OR e.source = @source)`
	case f.Source != "":
		return `(e.source = @source OR e.source IS NULL) AND @order = 0`
	}
	return `@source = '' AND @order = 0`
}

// Newest is the id of the newest event, 0 if there is none.
func (e *Events) Newest(ctx context.Context) (id int64, err error) {
	err = e.db.Pool.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM events`).Scan(&id)
	return id, pg.Failure("read newest event", err)
}

// Listen calls wake whenever events have come into the log, and once when it begins, until ctx ends or the connection breaks. It
// is a hint, which may come late, twice or not at all.
func (e *Events) Listen(ctx context.Context, wake func()) error {
	return e.db.ListenTo(ctx, pg.EventChannel, "listen for events", func(string) { wake() })
}

// WantJobs says whether a source wants an event for each of its jobs that ends from now on.
func (e *Events) WantJobs(ctx context.Context, source string, wanted bool) error {
	sql := `DELETE FROM job_event_sources WHERE source = $1`
	if wanted {
		sql = `INSERT INTO job_event_sources (source) VALUES ($1) ON CONFLICT DO NOTHING`
	}
	_, err := e.db.Pool.Exec(ctx, sql, source)
	return pg.Failure("choose events of jobs", err)
}

// JobsWanted reports whether a source wants an event for each of its jobs.
func (e *Events) JobsWanted(ctx context.Context, source string) (wanted bool, err error) {
	err = e.db.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM job_event_sources WHERE source = $1)`, source).Scan(&wanted)
	return wanted, pg.Failure("look up wanted events", err)
}
