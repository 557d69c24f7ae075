package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/probes"
)

// How a worker waits at its start for what is away.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 3 * time.Second
	tryTime      = 10 * time.Second
)

// startProbes answers probes and tells metrics at an address, or nowhere if it is config.Off. The caller closes it.
func startProbes(ctx context.Context, addr string, told http.Handler) (*probes.Server, error) {
	if addr == config.Off {
		addr = ""
	}
	server, err := probes.Start(ctx, addr, told)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: %w (give another address, or %s)", err, config.Off)
	}
	return server, nil
}

// standBy waits until Postgres and Redis are there and fit to work with, tells the log what it waits for, and has their
// answers watched from then on. It fails at once where waiting would not help. The caller closes the store.
func standBy(ctx context.Context, cfg config.Config, client redis.UniversalClient, sent *traces.Sender, h *probes.Server, log zerolog.Logger) (*store.Store, error) {
	var st *store.Store
	g, trying := errgroup.WithContext(ctx)
	g.Go(func() error {
		return await(trying, log, "Postgres", mendsPostgres, func(ctx context.Context) (err error) {
			st, err = openForOrders(ctx, cfg, sent, func(warning string) { log.Warn().Msg(warning) })
			if err == nil {
				h.Watch(probes.Postgres, askPostgres(st))
			}
			return err
		})
	})
	g.Go(func() error {
		return await(trying, log, "Redis", mendsRedis, func(ctx context.Context) error {
			err := pingRedis(ctx, client)
			if err == nil {
				h.Watch(probes.Redis, askRedis(client))
			}
			return err
		})
	})
	if err := g.Wait(); err != nil {
		if st != nil {
			st.Close()
		}
		return nil, err
	}
	return st, nil
}

// await tries until it works, ctx ends, or the error is one that time does not mend. It logs why it waits when it begins to
// and when the reason changes, and then that it goes on.
func await(ctx context.Context, log zerolog.Logger, what string, mends func(error) (reason string, ok bool), try func(context.Context) error) error {
	waitsFor := ""
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		trying, cancel := context.WithTimeout(ctx, tryTime)
		err := try(trying)
		cancel()
		if err == nil {
			if waitsFor != "" {
				log.Info().Msg(what + " is there; going on")
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reason, ok := mends(err)
		if !ok {
			return err
		}
		if reason != waitsFor {
			waitsFor = reason
			log.Warn().Str("error", oneLine(err)).Msg(reason)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// mendsPostgres says whether time may mend an error, and what that means.
//
// An older schema does: a deployment starts workers and `bulkreg migrate` at once. A newer one does not: this program is
// the old one. Neither does a refused password, or a database that does not exist. These come from the settings, which a
// process reads once: a supervisor that starts it anew, with secrets that somebody has mended, helps, and shows
// meanwhile that this worker fails; one that waits would go on with the old ones for ever. An unsafe Postgres has to be
// mended by somebody, too.
func mendsPostgres(err error) (reason string, ok bool) {
	var schema *pg.SchemaError
	switch {
	case errors.As(err, &schema) && schema.Have < schema.Want:
		return "the database is not migrated yet; waiting for `bulkreg migrate`", true
	case errors.Is(err, pg.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return "Postgres is away; waiting for it", true
	}
	return "", false
}

// mendsRedis says the same of Redis. What it answers passes with time (it loads its data, or is not the primary yet), but for
// credentials that it refuses and a database that it does not have.
func mendsRedis(err error) (reason string, ok bool) {
	if redis.IsAuthError(err) || redis.IsPermissionError(err) || strings.Contains(err.Error(), "DB index") {
		return "", false
	}
	return "Redis is away; waiting for it", true
}

// redisPatience is how long the client that only asks whether Redis is there waits for one answer.
const redisPatience = time.Second

// connectRedis makes a client that asks whether Redis is there. It reads addresses as the worker does. The caller closes it.
func connectRedis(cfg config.Config) (redis.UniversalClient, error) {
	url, err := cfg.Redis()
	if err != nil {
		return nil, usageError(err)
	}
	address, err := queue.ParseRedisURL(url)
	if err != nil {
		return nil, usageError(err)
	}
	return address.ForAsking(probes.AskTime, redisPatience).Client(), nil
}

func pingRedis(ctx context.Context, client redis.UniversalClient) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	return nil
}

// askPostgres asks whether Postgres takes writes.
func askPostgres(st *store.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		err := st.Writable(ctx)
		if errors.Is(err, pg.ErrReadOnly) {
			return probes.ErrNoWrites
		}
		return err
	}
}

const (
	// readyKey is what is written into Redis to see whether it takes writes. It goes by itself.
	readyKey  = "bulkreg:ready"
	readyTime = time.Minute
)

// askRedis asks whether Redis takes writes, by a small one.
func askRedis(client redis.UniversalClient) func(context.Context) error {
	return func(ctx context.Context) error {
		err := client.Set(ctx, readyKey, "", readyTime).Err()
		switch {
		case err == nil:
			return nil
		case refusesWrites(err):
			return probes.ErrNoWrites
		}
		return fmt.Errorf("write to Redis: %w", err)
	}
}

// refusesWrites knows how Redis answers a write that it does not take: its memory is full, it is a replica, it cannot write to
// its disk, it has too few replicas, or this user may not.
func refusesWrites(err error) bool {
	return slices.ContainsFunc([]string{"OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM"}, func(word string) bool {
		return redis.HasErrorPrefix(err, word)
	})
}

// oneLine is the text of an error without the line breaks that some drivers put into theirs.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
