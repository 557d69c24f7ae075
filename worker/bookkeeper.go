package worker

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store/events"

	"github.com/bulkreg/bulkreg/queue/intake/orderlog"
)

// bookkeeper keeps the counts of orders and the log of events. Every worker runs one, whatever it works on, and one of all works at
// a time.
type bookkeeper struct {
	books *events.Bookkeeper
	down  outage
	log   zerolog.Logger
}

const (
	// bookEvery is how old an event may be when readers of the log see it, while there are more. Whoever finds nothing, or somebody
	// else at it, looks ever less often, down to restEvery: a fleet at rest is quiet, and one of a busy fleet keeps the books.
	bookEvery = 250 * time.Millisecond
	restEvery = 2 * time.Second
	// bookBatch bounds what one round takes.
	bookBatch = 5000
)

func newBookkeeper(o Options) *bookkeeper {
	log := o.Log.With().Str("role", "bookkeeper").Logger()
	return &bookkeeper{books: o.Store.Events.Bookkeeper(), log: log, down: outage{
		log: log, what: "keeping the counts of orders and the log of events", troubles: o.troubles,
	}}
}

// run keeps books until ctx ends.
func (b *bookkeeper) run(ctx context.Context) {
	wait := bookEvery
	for ctx.Err() == nil {
		kept, err := b.round(ctx)
		b.down.note(ctx, err)
		orderlog.Tell(b.log, kept.Orders)
		if kept.Changes+kept.Events > 0 {
			wait = bookEvery
		} else {
			wait = min(2*wait, restEvery)
		}
		if max(kept.Changes, kept.Events) < bookBatch {
			pause(ctx, wait)
		}
	}
}

func (b *bookkeeper) round(ctx context.Context) (events.Kept, error) {
	keeping, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return b.books.Round(keeping, bookBatch)
}
