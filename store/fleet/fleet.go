// Package fleet keeps which workers and accounts are there, and tells why work stands still and whether a person is needed.
//
// It must never change a job or a hold.
package fleet

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Fleet is the fleet of one database. Use is safe from several goroutines.
type Fleet struct {
	db *pg.DB
}

// New returns the Fleet of the database.
func New(db *pg.DB) *Fleet { return &Fleet{db: db} }
