// Package tokens keeps issued tokens, sealed, for as long as they live, and reads whom they are for.
//
// It must never give out a token whose time is over, and knows none in the clear.
package tokens

import (
	"github.com/bulkreg/bulkreg/store/pg"
)

// Tokens are the tokens of one database. Use is safe from several goroutines.
type Tokens struct {
	db *pg.DB
}

// New returns the Tokens of the database.
func New(db *pg.DB) *Tokens { return &Tokens{db: db} }
