package worker

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
)

// keeper sees to it that this worker goes on only with a Postgres that has forgotten nothing, and that nobody who stands still
// keeps jobs from being taken back. Every worker runs one.
type keeper struct {
	store    *store.Store
	accounts []string
	troubles *troubles
	log      zerolog.Logger
}

// keepEvery is how often a keeper looks.
const keepEvery = 5 * time.Second

func newKeeper(o Options) *keeper {
	k := &keeper{store: o.Store, troubles: o.troubles, log: o.Log.With().Str("role", "keeper").Logger()}
	for _, a := range o.Accounts {
		k.accounts = append(k.accounts, a.Name)
	}
	return k
}

// begin returns when it is known which Postgres this is, or ctx ends. Nothing may be claimed before. It fails where waiting
// would not help.
func (k *keeper) begin(ctx context.Context) error {
	down := outage{log: k.log, what: "finding out which Postgres this is", troubles: k.troubles}
	for ctx.Err() == nil {
		guarding, cancel := context.WithTimeout(ctx, databaseTime)
		err := k.store.Guard(guarding, k.accounts, k.tell)
		cancel()
		down.note(ctx, err)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !errors.Is(err, pg.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		pause(ctx, tick)
	}
	return nil
}

// tell logs that this worker was the first to find another Postgres.
func (k *keeper) tell(r pg.Restored) {
	k.log.Error().Str("found", r.What).Time("known", r.KnownAt).Int("accounts", r.Accounts).Int("jobs", r.Jobs).
		Msg("Postgres may have forgotten what was sent: all registrations are on hold until a person lifts it")
}

// run notes that all is well, and ends who is in the way, until ctx ends.
func (k *keeper) run(ctx context.Context) {
	down := outage{log: k.log, what: "keeping an eye on Postgres", troubles: k.troubles}
	for pause(ctx, keepEvery); ctx.Err() == nil; pause(ctx, keepEvery) {
		down.note(ctx, k.look(ctx))
	}
}

func (k *keeper) look(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err := k.store.KnowOrigin(looking)
	ended, frozen := k.store.Ledger.EndFrozen(looking)
	if ended > 0 {
		k.log.Warn().Int("sessions", ended).Msg("ended sessions of Postgres that stood still and kept jobs from being taken back")
	}
	return errors.Join(err, frozen)
}
