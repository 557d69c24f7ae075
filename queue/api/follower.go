package api

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue/intake/orderlog"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/events"
)

// follower tells those who wait here of new events, each of his own: one connection listens and one reader reads for all of them. It
// also keeps the books, so that events come into the log although no worker is there.
type follower struct {
	store *store.Store
	log   zerolog.Logger

	heard chan struct{} // holds one word that there are events
	done  chan struct{} // closed at the end

	mu      sync.Mutex
	waiting map[string]chan struct{} // each closed when there may be more of what it is named after
}

const (
	// bookEvery is how often the books are kept.
	bookEvery = 250 * time.Millisecond
	// bookBatch bounds what one round takes.
	bookBatch = 5000
	// listenAgain is the wait before listening again after a failure; whoever waits looks as often meanwhile.
	listenAgain = time.Second
	// roundTime bounds one round.
	roundTime = 15 * time.Second
	// followPage is how many events are read at once.
	followPage = 1000
	// tellAllEvery is how often everybody is told, whatever was heard: for what nobody was told of, and so that nobody's
	// name stays for ever.
	tellAllEvery = 30 * time.Second
)

func newFollower(o Options) *follower {
	return &follower{store: o.Store, log: o.Log, waiting: map[string]chan struct{}{}, heard: make(chan struct{}, 1), done: make(chan struct{})}
}

// ofOrder and ofSource name what somebody waits for.
func ofOrder(id int64) string       { return "order " + strconv.FormatInt(id, 10) }
func ofSource(source string) string { return "source " + source }

// next is closed when there may be more events of what a name means than when it was asked for.
func (f *follower) next(name string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting[name] == nil {
		f.waiting[name] = make(chan struct{})
	}
	return f.waiting[name]
}

// stopped is closed when nobody is told any more.
func (f *follower) stopped() <-chan struct{} { return f.done }

// tell tells whoever waits for these events.
func (f *follower) tell(found []events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range found {
		if e.OrderID == 0 {
			f.tellEverybody() // it is about an account
			return
		}
		for _, name := range []string{ofOrder(e.OrderID), ofSource(e.Source)} {
			if waiting, ok := f.waiting[name]; ok {
				close(waiting)
				delete(f.waiting, name)
			}
		}
	}
}

func (f *follower) tellAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tellEverybody()
}

func (f *follower) tellEverybody() {
	for _, waiting := range f.waiting {
		close(waiting)
	}
	clear(f.waiting)
}

// run works until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	var roles sync.WaitGroup
	roles.Go(func() { f.listen(ctx) })
	roles.Go(func() { f.read(ctx) })
	roles.Go(func() { f.keepBooks(ctx) })
	roles.Wait()
}

// listen hears that there are events, and has them read.
func (f *follower) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.store.Events.Listen(ctx, func() {
			select {
			case f.heard <- struct{}{}:
			default: // it was told already
			}
		})
		if ctx.Err() != nil {
			return
		}
		f.log.Warn().Err(err).Msg("listening for events failed; trying again")
		f.tellAll()
		rest(ctx, listenAgain)
	}
}

// read reads what there is, whenever something was heard, and tells those who wait for it.
func (f *follower) read(ctx context.Context) {
	everybody := time.NewTicker(tellAllEvery)
	defer everybody.Stop()
	last := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-everybody.C:
			f.tellAll()
		case <-f.heard:
			var err error
			if last, err = f.readOn(ctx, last); err != nil && ctx.Err() == nil {
				f.log.Warn().Err(err).Msg("reading events failed; trying again")
				f.tellAll()
			}
		}
	}
}

// readOn reads the events behind the last one, and returns the id of the newest. A negative id is none: it begins with what comes.
func (f *follower) readOn(ctx context.Context, last int64) (int64, error) {
	reading, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	if last < 0 {
		newest, err := f.store.Events.Newest(reading)
		if err != nil {
			return last, err
		}
		f.tellAll()
		return newest, nil
	}
	for {
		found, err := f.store.Events.Since(reading, events.Filter{After: last, Limit: followPage})
		if err != nil {
			return last, err
		}
		f.tell(found)
		if len(found) > 0 {
			last = found[len(found)-1].ID
		}
		if len(found) < followPage {
			return last, nil
		}
	}
}

func (f *follower) keepBooks(ctx context.Context) {
	books, failing := f.store.Events.Bookkeeper(), false
	for ctx.Err() == nil {
		round, cancel := context.WithTimeout(ctx, roundTime)
		kept, err := books.Round(round, bookBatch)
		orderlog.Tell(f.log, kept.Orders)
		cancel()
		if err != nil && ctx.Err() == nil && !failing {
			f.log.Warn().Err(err).Msg("keeping the counts of orders and the log of events failed; trying again")
		}
		failing = err != nil
		if max(kept.Changes, kept.Events) < bookBatch {
			rest(ctx, bookEvery)
		}
	}
}

// rest waits, until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
