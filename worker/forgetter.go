package worker

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store"
)

// forgetter removes what is kept for a time alone: events, where a time is set, and what was ordered with keys on days that are over. Every
// worker runs one, whatever it works on.
type forgetter struct {
	store  *store.Store
	events time.Duration // how long they are kept; 0: for ever
	down   outage
}

const (
	forgetEvery = time.Minute
	forgetBatch = 5000
)

func newForgetter(o Options) *forgetter {
	return &forgetter{store: o.Store, events: o.KeepEvents, down: outage{
		log: o.Log.With().Str("role", "forgetter").Logger(), what: "forgetting what is old", troubles: o.troubles,
	}}
}

// run forgets until ctx ends.
func (f *forgetter) run(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := f.forget(ctx)
		f.down.note(ctx, err)
		if err != nil || !more {
			pause(ctx, forgetEvery)
		}
	}
}

// forget reports whether there may be more.
func (f *forgetter) forget(ctx context.Context) (more bool, err error) {
	forgetting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err = f.store.Keys.ForgetDays(forgetting)
	if f.events == 0 {
		return false, err
	}
	n, failed := f.store.Events.Forget(forgetting, f.events, forgetBatch)
	return n == forgetBatch, errors.Join(err, failed)
}
