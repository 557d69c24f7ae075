package worker

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
)

// rescuer brings back what others dropped: claims whose lease has passed, and deliveries that nobody claimed.
// Every worker runs one; they take different rows.
type rescuer struct {
	store          *store.Store
	reconcileAfter time.Duration
	rescued        func() // told when jobs have become due
	wake           chan struct{}
	log            zerolog.Logger
}

// How many rows one look takes at most; it looks again at once while there are as many.
const (
	claimsPerLook = 50
	chunksPerLook = 200
)

// run rescues until ctx ends.
func (r *rescuer) run(ctx context.Context) {
	down := outage{log: r.log, what: "rescuing"}
	for ctx.Err() == nil {
		more, err := r.rescue(ctx)
		down.note(ctx, err)
		if !more {
			sleep(ctx, tick, r.wake)
		}
	}
}

// nudge makes the rescuer look soon, and the dispatcher as well. It never blocks.
func (r *rescuer) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
	r.rescued()
}

func (r *rescuer) rescue(ctx context.Context) (more bool, err error) {
	e, err := r.store.ExpireClaims(ctx, claimsPerLook, r.reconcileAfter)
	if err != nil {
		return false, err
	}
	if e.Jobs > 0 {
		r.log.Warn().Int("claims", e.Claims).Int("jobs", e.Jobs).Int("unknown", e.Unknown).
			Msg("took jobs back from workers that went away")
	}
	chunks, jobs, err := r.store.RecoverChunks(ctx, chunksPerLook)
	if err != nil {
		return false, err
	}
	if jobs > 0 {
		r.log.Warn().Int("jobs", jobs).Msg("deliveries were not claimed in time; delivering again")
	}
	if e.Jobs+jobs > 0 {
		r.rescued()
	}
	return e.Claims == claimsPerLook || chunks == chunksPerLook, nil
}
