package worker

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store/events"
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
		b.tell(kept.Orders)
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

// tell tells the log how orders fare, whichever way they came. One bookkeeper of all works at a time, so that each is told once.
func (b *bookkeeper) tell(told []events.OrderEvent) {
	words := map[events.Type]string{
		events.OrderAccepted: "order accepted", events.OrderCompleted: "order completed", events.OrderNeedsAttention: "order needs a person",
	}
	for _, e := range told {
		if words[e.Type] == "" {
			continue
		}
		line := b.log.Info()
		if e.Type == events.OrderNeedsAttention {
			line = b.log.Warn()
		}
		line.Str("source", e.Source).Str("order", e.Reference).Str("kind", string(e.Kind)).Str("account", e.Account).Int("jobs", e.Total).Msg(words[e.Type])
	}
}

func (b *bookkeeper) round(ctx context.Context) (events.Kept, error) {
	keeping, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return b.books.Round(keeping, bookBatch)
}
