// Package audit checks whether the invariants hold in this database, each by a query of its own.
//
// It must never change anything.
package audit

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Auditor checks one database. Use is safe from several goroutines.
type Auditor struct {
	db *pg.DB
}

// New returns the Auditor of the database.
func New(db *pg.DB) *Auditor { return &Auditor{db: db} }
