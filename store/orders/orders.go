// Package orders keeps orders and their jobs: how they are accepted, found and read.
//
// It must never accept a part of an order that was submitted whole, and no id from outside must ever reach the jobs of another
// order.
package orders

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Orders are the orders of one database. Use is safe from several goroutines.
type Orders struct {
	db       *pg.DB
	adopting orderTurns
}

// New returns the Orders of the database.
func New(db *pg.DB) *Orders { return &Orders{db: db} }
