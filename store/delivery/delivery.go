// Package delivery keeps what is due to travel: chunks that were never delivered, jobs whose time has come, and what got lost on its
// way.
//
// It must never give one source, order or account the share of another, and never decide that a job may be sent: a claim does.
package delivery

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Deliveries are the deliveries of one database. Use is safe from several goroutines.
type Deliveries struct {
	db *pg.DB
}

// New returns the Deliveries of the database.
func New(db *pg.DB) *Deliveries { return &Deliveries{db: db} }
