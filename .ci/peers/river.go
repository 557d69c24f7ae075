package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// The settings with which River measures itself, in cmd/river/riverbench.
const (
	riverCooldown = 2 * time.Millisecond
	riverPoll     = 20 * time.Millisecond
	riverWorkers  = 2000
)

type checkArgs struct {
	Domain string `json:"domain"`
}

func (checkArgs) Kind() string { return "check" }

type checkWorker struct {
	river.WorkerDefaults[checkArgs]
	tally *tally
}

func (w *checkWorker) Work(_ context.Context, job *river.Job[checkArgs]) error {
	return w.tally.done(job.Args.Domain)
}

// riverQueue is a client of River's that inserts and works.
type riverQueue struct {
	client    *river.Client[pgx.Tx]
	completed atomic.Int64 // in Postgres, as events tell
}

func runRiver(ctx context.Context, s *servers, jobs int) (_ time.Duration, err error) {
	pool, err := openPool(ctx, s.postgres.URL(""), connections)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: warnings()})
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	warm := min(jobs, warmUp)
	t := newTally(warm + jobs)
	registered := river.NewWorkers()
	river.AddWorker(registered, &checkWorker{tally: t})
	q := &riverQueue{}
	q.client, err = river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: riverCooldown, FetchPollInterval: riverPoll, Logger: warnings(), Workers: registered,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
	})
	if err != nil {
		return 0, fmt.Errorf("make client: %w", err)
	}
	// An event that found no room would be dropped.
	events, unsubscribe := q.client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: warm + jobs, Kinds: []river.EventKind{river.EventKindJobCompleted},
	})
	go func() {
		for range events {
			q.completed.Add(1)
		}
	}()
	defer unsubscribe()
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil { // Stop ends it
		return 0, fmt.Errorf("start client: %w", err)
	}
	defer func() {
		const grace = 20 * time.Second
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = errors.Join(err, q.client.Stop(stopping))
	}()
	took, err := timed(ctx, q, t, warm)
	if err != nil {
		return 0, err
	}
	return took, countRows(ctx, pool, "SELECT count(*) FROM river_job WHERE state = 'completed'", warm+jobs)
}

func (q *riverQueue) give(ctx context.Context, from, to int) error {
	for first := from; first < to; first += insertBatch {
		params := make([]river.InsertManyParams, 0, insertBatch)
		for number := first; number < min(first+insertBatch, to); number++ {
			params = append(params, river.InsertManyParams{Args: checkArgs{Domain: domain(number)}})
		}
		if n, err := q.client.InsertManyFast(ctx, params); err != nil || n != len(params) {
			return errors.Join(fmt.Errorf("%d of %d jobs were inserted", n, len(params)), err)
		}
	}
	return nil
}

// settled waits for River's own word that jobs are completed, which comes once Postgres has it.
func (q *riverQueue) settled(ctx context.Context, before int) error {
	if err := until(ctx, func() (bool, error) { return q.completed.Load() >= int64(before), nil }); err != nil {
		return fmt.Errorf("%d of %d jobs were completed: %w", q.completed.Load(), before, err)
	}
	return nil
}

// warnings is a log that leaves out what goes well.
func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
