package record

import (
	"fmt"
	"time"
)

// Order is what a producer asked for at once.
type Order struct {
	ID        int64
	Source    string
	Reference string
	Kind      Kind
	Lane      Lane
	Account   string
	Total     int
	CreatedAt time.Time
	Shared    bool // the reference alone may mean another order, too
	// PrunedAt is when its jobs began to be removed, because it ended long ago; nil: all are kept.
	PrunedAt *time.Time
}

// PrunedError says that jobs of an order are asked for which are not kept any more. What the order came to is.
type PrunedError struct {
	Name string // of the order
	At   time.Time
}

// Error implements error.
func (e *PrunedError) Error() string {
	return fmt.Sprintf("the jobs of order %q are not kept any more: they ended long ago, and have been removed since %s; what they came to, the order itself says",
		e.Name, e.At.UTC().Format(time.RFC3339))
}

// Kept fails with a *PrunedError where the order's jobs are not all kept.
func (o Order) Kept() error {
	if o.PrunedAt == nil {
		return nil
	}
	return &PrunedError{Name: o.Name(), At: *o.PrunedAt}
}

// Name is what finds the order and no other: its reference or, where that may mean another one as well, source/reference.
func (o Order) Name() string {
	if o.Shared {
		return o.Source + "/" + o.Reference
	}
	return o.Reference
}

// Summary is an order and how far it has come.
type Summary struct {
	Order
	Counts   map[State]int   // jobs by state; states with none are left out
	Outcomes map[Outcome]int // final jobs by outcome
	Calls    int             // upstream requests made for it, those shared with other orders included
	// FinishedAt is when the last job ended; zero while one has not.
	FinishedAt time.Time
}

// Done says whether every job is final.
func (s Summary) Done() bool {
	return s.Counts[Succeeded]+s.Counts[Failed]+s.Counts[Canceled] == s.Total
}

// Settled says whether nothing more will happen by itself: each job is final or waits for a person.
func (s Summary) Settled() bool {
	return s.Counts[Succeeded]+s.Counts[Failed]+s.Counts[Canceled]+s.Counts[Unconfirmed] == s.Total
}

// SharedReference is SQL that says of order o that its reference alone may mean another order, too: one of another source, or one
// whose source and reference it reads like.
const SharedReference = `(EXISTS (SELECT FROM orders same WHERE same.reference = o.reference AND same.id <> o.id)
	OR strpos(o.reference, '/') > 0 AND EXISTS (
		SELECT FROM orders same WHERE same.source = split_part(o.reference, '/', 1)
			AND same.reference = substr(o.reference, strpos(o.reference, '/') + 1)))`

// NameOfOrder is Order.Name in SQL.
const NameOfOrder = `CASE WHEN ` + SharedReference + ` THEN o.source || '/' || o.reference ELSE o.reference END`

// OrderColumns are what Fields reads of order o.
const OrderColumns = `o.id, o.source, o.reference, o.kind, o.lane, o.account, o.total, o.created_at, o.pruned_at, ` + SharedReference

// Fields is where OrderColumns go, in their order.
func (o *Order) Fields() []any {
	return []any{&o.ID, &o.Source, &o.Reference, &o.Kind, &o.Lane, &o.Account, &o.Total, &o.CreatedAt, &o.PrunedAt, &o.Shared}
}
