package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Delivery is an event on its way to an endpoint, or a test.
type Delivery struct {
	ID         int64
	Endpoint   string
	EventID    int64  // 0: it is a test
	Type       string // of the event; "": it is a test, or the event is not kept any more
	Reference  string // of the event's order
	State      State
	Attempts   int       // since it was last asked for
	DueAt      time.Time // of its next attempt; zero: it ended, or an earlier one of its order comes first
	UnderWay   bool
	SkippedAt  time.Time // since then later ones of its order do not wait for it; zero: they do
	CreatedAt  time.Time
	FinishedAt time.Time // zero: it has not
	Newest     *Attempt  // nil: there was none
}

// Attempt is what came of one.
type Attempt struct {
	At     time.Time
	Took   time.Duration
	Status int    // of HTTP; 0: no answer came
	Error  string // in our words; "": it went well
	Answer string // how it begins, in the receiver's words, which anybody may have made up
}

// DeliveryFilter says which deliveries of an endpoint are wanted.
type DeliveryFilter struct {
	Endpoint string
	State    State // "": any
	Skipped  bool  // only those that were overtaken
	Before   int64 // only those with a smaller id; 0: from the newest on
	Limit    int
}

const deliveryColumns = `d.id, d.endpoint_id, coalesce(d.event_id, 0), coalesce(v.type, ''), coalesce(o.reference, ''), d.state, d.attempts, d.due_at,
	d.sender IS NOT NULL AND d.due_at > now(), d.skipped_at, d.created_at, d.finished_at, a.at, a.duration_ms, coalesce(a.status, 0), coalesce(a.error, ''), coalesce(a.answer, '')`

const deliveryFrom = `LEFT JOIN events v ON v.id = d.event_id LEFT JOIN orders o ON o.id = d.order_id
	LEFT JOIN LATERAL (SELECT * FROM webhook_attempts a WHERE a.delivery_id = d.id ORDER BY a.n DESC LIMIT 1) AS a ON true`

func scanDelivery(row pgx.CollectableRow) (Delivery, error) {
	var (
		d                      Delivery
		due, skipped, ended, a *time.Time
		took                   *int64
		newest                 Attempt
	)
	err := row.Scan(&d.ID, &d.Endpoint, &d.EventID, &d.Type, &d.Reference, &d.State, &d.Attempts, &due, &d.UnderWay, &skipped, &d.CreatedAt, &ended,
		&a, &took, &newest.Status, &newest.Error, &newest.Answer)
	d.DueAt, d.SkippedAt, d.FinishedAt = orZero(due), orZero(skipped), orZero(ended)
	if a != nil && took != nil {
		newest.At, newest.Took = *a, time.Duration(*took)*time.Millisecond
		d.Newest = &newest
	}
	return d, err
}

// Deliveries lists deliveries of an endpoint, the newest first.
func (w *Webhooks) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	rows, err := w.db.Pool.Query(ctx, `
		SELECT `+deliveryColumns+` FROM (
			SELECT * FROM webhook_deliveries d
			WHERE d.endpoint_id = $1 AND ($2 = '' OR d.state = $2) AND (NOT $3 OR d.skipped_at IS NOT NULL) AND ($4 = 0 OR d.id < $4)
			ORDER BY d.id DESC LIMIT $5
		) AS d `+deliveryFrom+` ORDER BY d.id DESC`, f.Endpoint, f.State, f.Skipped, f.Before, f.Limit)
	if err != nil {
		return nil, pg.Failure("list deliveries", err)
	}
	list, err := pgx.CollectRows(rows, scanDelivery)
	return list, pg.Failure("list deliveries", err)
}

// Delivery finds a delivery of an endpoint, or fails with pg.ErrNotFound.
func (w *Webhooks) Delivery(ctx context.Context, endpoint string, id int64) (Delivery, error) {
	rows, err := w.db.Pool.Query(ctx, `SELECT `+deliveryColumns+` FROM webhook_deliveries d `+deliveryFrom+` WHERE d.endpoint_id = $1 AND d.id = $2`, endpoint, id)
	if err != nil {
		return Delivery{}, pg.Failure("find delivery", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	return d, pg.Failure("find delivery", err)
}

// Attempts lists the attempts of a delivery, the oldest first.
func (w *Webhooks) Attempts(ctx context.Context, delivery int64) ([]Attempt, error) {
	rows, err := w.db.Pool.Query(ctx, `
		SELECT at, duration_ms, coalesce(status, 0), coalesce(error, ''), coalesce(answer, '') FROM webhook_attempts WHERE delivery_id = $1 ORDER BY n`, delivery)
	if err != nil {
		return nil, pg.Failure("list attempts of delivery", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Attempt, error) {
		var (
			a    Attempt
			took int64
		)
		err := row.Scan(&a.At, &took, &a.Status, &a.Error, &a.Answer)
		a.Took = time.Duration(took) * time.Millisecond
		return a, err
	})
	return list, pg.Failure("list attempts of delivery", err)
}
