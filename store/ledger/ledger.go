// Package ledger keeps what is claimed, sent and settled: claims and their leases, calls, intents to pay, attempts, WHOIS readings,
// and what the history of a domain says about sending it again.
//
// It must never let a call begin without the claim that licenses it, never give up a reply that names its call, and never let an
// older reply overwrite a newer one.
package ledger

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Ledger is the ledger of one database. Use is safe from several goroutines.
type Ledger struct {
	db *pg.DB
}

// New returns the Ledger of the database.
func New(db *pg.DB) *Ledger { return &Ledger{db: db} }
