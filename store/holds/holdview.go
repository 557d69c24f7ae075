package holds

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// ByPerson says whether only a person lifts holds of this reason: no probe is ever due, and no time ends them.
func (r Reason) ByPerson() bool { return r == Paused || r == Restored }

// stops says whether a hold of this scope stops jobs of a kind.
func (s Scope) stops(k record.Kind) bool { return s == ScopeAll || string(s) == string(k) }

// Never stands for a time that does not come: it is the zero time.
const Never = `'0001-01-01 00:00:00+00'::timestamptz`

// HoldColumns are what Fields reads of hold h.
const HoldColumns = `h.account, h.reason, h.scope, h.since, h.words, coalesce(h.status, 0), h.probes,
	coalesce(h.next_probe_at, ` + Never + `), coalesce(h.ends_at, ` + Never + `), coalesce(h.placed_by, '')`

// Fields is where HoldColumns go, in their order.
func (h *View) Fields() []any {
	return []any{&h.Account, &h.Reason, &h.Scope, &h.Since, &h.Words, &h.Status, &h.Probes, &h.NextProbeAt, &h.EndsAt, &h.PlacedBy}
}

// Until is when something happens by itself: the next probe, or the hold's end. It is zero where nothing does.
func (h View) Until() time.Time {
	if !h.EndsAt.IsZero() {
		return h.EndsAt
	}
	return h.NextProbeAt
}

// ScanHold reads a row of HoldColumns.
func ScanHold(row pgx.CollectableRow) (View, error) {
	var h View
	return h, row.Scan(h.Fields()...)
}

// OrderHold is an order that an operator has paused.
type OrderHold struct {
	record.Order
	Since    time.Time
	PlacedBy string
	Words    string
	Jobs     int // that wait for it
}

// OrderHoldColumns are what Fields reads of paused order oh, which is order o.
const OrderHoldColumns = record.OrderColumns + `, oh.since, oh.placed_by, oh.words`

// Fields is where OrderHoldColumns go, in their order.
func (h *OrderHold) Fields() []any { return append(h.Order.Fields(), &h.Since, &h.PlacedBy, &h.Words) }

// ScanOrderHold reads a row of OrderHoldColumns.
func ScanOrderHold(row pgx.CollectableRow) (OrderHold, error) {
	var h OrderHold
	return h, row.Scan(h.Fields()...)
}

// OrderHolds lists the orders that are paused, the longest paused first, with the jobs that wait for that.
func (s *Holds) OrderHolds(ctx context.Context) ([]OrderHold, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT `+OrderHoldColumns+`, w.jobs
		FROM order_holds oh JOIN orders o ON o.id = oh.order_id CROSS JOIN LATERAL (`+waitingInOrder+`) AS w
		ORDER BY oh.since, o.id`)
	if err != nil {
		return nil, pg.Failure("list paused orders", err)
	}
	holds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (OrderHold, error) {
		var h OrderHold
		return h, row.Scan(append(h.Fields(), &h.Jobs)...)
	})
	return holds, pg.Failure("list paused orders", err)
}

// waitingInOrder counts the jobs of order o that wait to go on: those that are held, and those never delivered. Canceled ones
// do not go on.
const waitingInOrder = `
	SELECT (SELECT count(*) FROM jobs j WHERE j.order_id = o.id AND j.state = 'held' AND NOT j.canceling)
		+ (SELECT count(*) FROM chunks t CROSS JOIN LATERAL (` + record.JobsOfChunk + `) AS fresh WHERE t.order_id = o.id AND t.wake_at IS NULL) AS jobs`

// NeedsPerson says whether somebody has to do something about holds of this reason: top up, correct something, or look. An outage
// goes by itself, and so does what a day may have.
func (r Reason) NeedsPerson() bool { return r != Outage && r != DailyLimit }
