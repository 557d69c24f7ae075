package record

import (
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
const OrderColumns = `o.id, o.source, o.reference, o.kind, o.lane, o.account, o.total, o.created_at, ` + SharedReference

// Fields is where OrderColumns go, in their order.
func (o *Order) Fields() []any {
	return []any{&o.ID, &o.Source, &o.Reference, &o.Kind, &o.Lane, &o.Account, &o.Total, &o.CreatedAt, &o.Shared}
}
