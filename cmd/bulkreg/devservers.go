package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/devenv"
	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
)

// openDev opens the database, and says whether it is new. Only an empty one will do, which gets the schema, or one that dev
// made itself: a worker on the sandbox would call somebody's registrations registered, and nobody would have bought them.
func openDev(ctx context.Context, cfg config.Config, o store.Options) (st *store.Store, isNew bool, err error) {
	st, err = openWith(ctx, cfg, o)
	var schema *pg.SchemaError
	if errors.As(err, &schema) && schema.Have == 0 {
		st, err = createDev(ctx, cfg, o)
		return st, true, err
	}
	if errors.Is(err, pg.ErrUnavailable) {
		return nil, false, fmt.Errorf("%w; dev uses the database at DATABASE_URL because that is set: unset it for a throwaway one", err)
	}
	if err != nil {
		return nil, false, err
	}
	simulated, err := st.Simulated(ctx)
	if err == nil && !simulated {
		err = usagef("dev did not make the database at DATABASE_URL, and does not touch its orders: against the sandbox their " +
			"domains would be called registered without being bought; unset DATABASE_URL for a throwaway database, or give an empty one")
	}
	if err != nil {
		st.Close()
		return nil, false, err
	}
	return st, false, nil
}

// createDev gives an empty database the schema, and a mark that it is dev's.
func createDev(ctx context.Context, cfg config.Config, o store.Options) (*store.Store, error) {
	url, err := cfg.Database()
	if err != nil {
		return nil, err
	}
	if _, err := migrations.Up(ctx, url); err != nil {
		return nil, err
	}
	st, err := openWith(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	if err := st.MarkSimulated(ctx); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// refuseBusyRedis refuses a Redis that others use: dev's worker would take their tasks.
func refuseBusyRedis(ctx context.Context, client redis.UniversalClient, newDatabase bool) error {
	if err := pingRedis(ctx, client); err != nil {
		return fmt.Errorf("%w; dev uses the Redis at REDIS_URL because that is set: unset it for one in memory", err)
	}
	err := devenv.RefuseBusy(ctx, client, newDatabase)
	if busy := (*devenv.BusyError)(nil); errors.As(err, &busy) {
		return usagef("%w at REDIS_URL, and dev would take the tasks there: unset REDIS_URL for a Redis in memory, or name another of its databases, "+
			"as in redis://localhost:6379/9", busy)
	}
	return err
}
