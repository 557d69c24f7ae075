package worker

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/record"
)

// forgetter removes what is kept for a time alone: events, where a time is set, and what was ordered with keys on days that are over. Every
// worker runs one, whatever it works on.
type forgetter struct {
	store  *store.Store
	events time.Duration // how long they are kept; 0: for ever
	jobs   []pruning.Age // those of orders that ended so long ago go
	down   outage
}

const (
	forgetEvery = time.Minute
	forgetBatch = 5000
	// beginBatch is how many orders are marked at once: a second worker then finds some that are.
	beginBatch = 500
	// forgetShare keeps most of the time between steps for other work: a step rests for so many times as long as it took.
	forgetShare = 3
)

func newForgetter(o Options) *forgetter {
	f := &forgetter{store: o.Store, events: o.KeepEvents, down: outage{
		log: o.Log.With().Str("role", "forgetter").Logger(), what: "forgetting what is old", troubles: o.troubles,
	}}
	for _, age := range []pruning.Age{{Kind: record.Whois, OlderThan: o.KeepWhois}, {Kind: record.Token, OlderThan: o.KeepTokens}} {
		if age.OlderThan > 0 {
			f.jobs = append(f.jobs, age)
		}
	}
	return f
}

// run forgets until ctx ends.
func (f *forgetter) run(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		more, err := f.forget(ctx)
		f.down.note(ctx, err)
		if err != nil || !more {
			pause(ctx, forgetEvery)
			continue
		}
		pause(ctx, forgetShare*time.Since(begun))
	}
}

// forget reports whether there may be more.
func (f *forgetter) forget(ctx context.Context) (more bool, err error) {
	forgetting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err = f.store.Keys.ForgetDays(forgetting)
	if f.events > 0 {
		n, failed := f.store.Events.Forget(forgetting, f.events, forgetBatch)
		more, err = n == forgetBatch, errors.Join(err, failed)
	}
	pruned, failed := f.prune(forgetting)
	return more || pruned, errors.Join(err, failed)
}

// prune takes a step of removing jobs. What somebody has begun is seen through, also where no time is set any more.
func (f *forgetter) prune(ctx context.Context) (more bool, err error) {
	for _, age := range f.jobs {
		if _, failed := f.store.Pruning.Begin(ctx, age, beginBatch); failed != nil {
			return false, failed
		}
	}
	removed, err := f.store.Pruning.Remove(ctx, forgetBatch)
	return removed.More, err
}
