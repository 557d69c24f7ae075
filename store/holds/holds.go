// Package holds keeps the reasons for which an account's or an order's work stands still: how they are placed, probed and lifted,
// and how the work goes on.
//
// It must never lift a hold that only a person lifts, and never let two probes of one hold go out in one interval.
package holds

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Holds are the holds of one database. Use is safe from several goroutines.
type Holds struct {
	db *pg.DB
}

// New returns the Holds of the database.
func New(db *pg.DB) *Holds { return &Holds{db: db} }
