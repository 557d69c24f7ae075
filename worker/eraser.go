package worker

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store"
)

// eraser erases tokens whose time is over. Every worker runs one, whatever it works on: a token must be gone within a minute.
type eraser struct {
	store *store.Store
	down  outage
}

const (
	eraseEvery = 10 * time.Second
	eraseBatch = 5000
)

func newEraser(o Options) *eraser {
	return &eraser{store: o.Store, down: outage{log: o.Log.With().Str("role", "eraser").Logger(), what: "erasing expired tokens", troubles: o.troubles}}
}

// run erases until ctx ends, beginning at once.
func (e *eraser) run(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := e.erase(ctx)
		e.down.note(ctx, err)
		if err != nil || n < eraseBatch {
			pause(ctx, eraseEvery)
		}
	}
}

func (e *eraser) erase(ctx context.Context) (int, error) {
	erasing, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return e.store.Tokens.Erase(erasing, eraseBatch)
}
