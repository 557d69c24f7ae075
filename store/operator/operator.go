// Package operator keeps what people do: confirm, retry, cancel and purge, and the evidence that they decide by.
//
// It must never change a job without a name on record, and never change what an act's plan did not count.
package operator

import (
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
)

// Operator carries out on one database what people ask for. Use is safe from several goroutines.
type Operator struct {
	db     *pg.DB
	orders *orders.Orders
	holds  *holds.Holds
}

// New returns the Operator of the database.
func New(db *pg.DB, o *orders.Orders, h *holds.Holds) *Operator {
	return &Operator{db: db, orders: o, holds: h}
}
