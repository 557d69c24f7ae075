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
	troubles       *troubles
	log            zerolog.Logger
}

// How many rows one look takes at most; it looks again at once while there are as many. All of their jobs, a thousand each at
// most, are written in the time of one statement.
const (
	claimsPerLook = 50
	chunksPerLook = 50
)

// run rescues until ctx ends.
func (r *rescuer) run(ctx context.Context) {
	down := outage{log: r.log, what: "rescuing", troubles: r.troubles}
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

// rescue asks once whether there is anything to take back, and as a rule there is not.
func (r *rescuer) rescue(ctx context.Context) (more bool, err error) {
	claims, chunks, err := r.overdue(ctx)
	if err != nil {
		return false, err
	}
	var moreClaims, moreChunks bool
	if claims {
		if moreClaims, err = r.expire(ctx); err != nil {
			return false, err
		}
	}
	if chunks {
		moreChunks, err = r.recover(ctx)
	}
	return moreClaims || moreChunks, err
}

func (r *rescuer) overdue(ctx context.Context) (claims, chunks bool, err error) {
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return r.store.Delivery.Overdue(asking)
}

// expire takes back what claims hold whose lease has passed.
func (r *rescuer) expire(ctx context.Context) (more bool, err error) {
	expiring, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	e, err := r.store.Ledger.ExpireClaims(expiring, claimsPerLook, r.reconcileAfter)
	if err != nil {
		return false, err
	}
	if e.Jobs > 0 {
		r.log.Warn().Int("claims", e.Claims).Int("jobs", e.Jobs).Int("unknown", e.Unknown).
			Msg("took jobs back from workers that went away")
		r.rescued()
	}
	return e.Claims == claimsPerLook, nil
}

// recover takes back deliveries that nobody claimed.
func (r *rescuer) recover(ctx context.Context) (more bool, err error) {
	recovering, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	chunks, jobs, err := r.store.Delivery.RecoverChunks(recovering, chunksPerLook)
	if err != nil {
		return false, err
	}
	if jobs > 0 {
		r.log.Warn().Int("jobs", jobs).Msg("deliveries were not claimed in time; delivering again")
		r.rescued()
	}
	return chunks == chunksPerLook, nil
}
