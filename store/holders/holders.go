// Package holders keeps the holders of domains that are found or created upstream, once each.
//
// It must never start a creation twice while the first has no answer, and a person's details leave it only for the call that needs
// them.
package holders

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Holders are the holders of one database. Use is safe from several goroutines.
type Holders struct {
	db *pg.DB
}

// New returns the Holders of the database.
func New(db *pg.DB) *Holders { return &Holders{db: db} }
