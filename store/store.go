// Package store is what bulkreg knows: orders, jobs, chunks, claims, calls and attempts in Postgres. Every statement that reads or
// changes them stands in one of its rooms, each a package for one concern, on what they share in store/pg.
//
// It knows nothing of Asynq, of HTTP or of what an upstream answer means, and no error of the database driver leaves it.
package store

import (
	"context"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/tokens"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// Store is one migrated database, room by room. It is safe for concurrent use.
type Store struct {
	*pg.DB
	Orders   *orders.Orders
	Delivery *delivery.Deliveries
	Ledger   *ledger.Ledger
	Holds    *holds.Holds
	Holders  *holders.Holders
	Tokens   *tokens.Tokens
	Operator *operator.Operator
	Fleet    *fleet.Fleet
	Events   *events.Events
	Keys     *keys.Keys
	Webhooks *webhooks.Webhooks
	Audit    *audit.Auditor
	Pruning  *pruning.Pruner
}

// Options bounds what a Store takes of its database. The zero value is usable.
type Options = pg.Options

// Open connects to the database at url and refuses one whose schema this binary does not work on: the error is
// then a *pg.SchemaError.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	db, err := pg.Open(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	o, h := orders.New(db), holds.New(db)
	return &Store{
		DB: db, Orders: o, Delivery: delivery.New(db), Ledger: ledger.New(db), Holds: h, Holders: holders.New(db), Tokens: tokens.New(db),
		Operator: operator.New(db, o, h), Fleet: fleet.New(db), Events: events.New(db), Keys: keys.New(db), Webhooks: webhooks.New(db), Audit: audit.New(db), Pruning: pruning.New(db),
	}, nil
}
