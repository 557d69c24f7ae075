package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

const handTable = `
	CREATE TABLE queue (
		id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		domain  text NOT NULL,
		state   text NOT NULL DEFAULT 'queued',
		done_at timestamptz
	);
	CREATE INDEX queue_waiting ON queue (id) WHERE state = 'queued'`

const (
	takeOne  = `SELECT id, domain FROM queue WHERE state = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1`
	writeOne = `UPDATE queue SET state = 'done', done_at = now() WHERE id = $1`
)

// handQueue is the queue that people write themselves, in a table.
type handQueue struct {
	pool  *pgxpool.Pool
	tally *tally
}

func runByHand(ctx context.Context, s *servers, jobs int) (_ time.Duration, err error) {
	pool, err := openPool(ctx, s.postgres.URL(""), workers+1) // one inserts
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, handTable); err != nil {
		return 0, fmt.Errorf("make table: %w", err)
	}
	warm := min(jobs, warmUp)
	q := &handQueue{pool: pool, tally: newTally(warm + jobs)}
	took, err := q.working(ctx, warm)
	if err != nil {
		return 0, err
	}
	return took, countRows(ctx, pool, "SELECT count(*) FROM queue WHERE state = 'done'", warm+jobs)
}

// working measures while workers work. One that fails ends the measurement.
func (q *handQueue) working(ctx context.Context, warm int) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group, working := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			err := q.work(working)
			if working.Err() != nil {
				return nil
			}
			cancel(err)
			return err
		})
	}
	took, err := timed(ctx, q, q.tally, warm)
	cancel(nil)
	return took, errors.Join(err, group.Wait())
}

// work takes one job after the other, on a connection of its own, until ctx ends.
func (q *handQueue) work(ctx context.Context) error {
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Release()
	for {
		err := q.one(ctx, conn)
		if err == nil {
			continue
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// one works off one job in a transaction of its own. pgx.ErrNoRows says that there is none.
func (q *handQueue) one(ctx context.Context, conn *pgxpool.Conn) error {
	var id int64
	var about string
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, takeOne).Scan(&id, &about); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, writeOne, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("work off a job: %w", err)
	}
	return q.tally.done(about)
}

func (q *handQueue) give(ctx context.Context, from, to int) error {
	for first := from; first < to; first += insertBatch {
		rows := pgx.CopyFromSlice(min(insertBatch, to-first), func(i int) ([]any, error) { return []any{domain(first + i)}, nil })
		if _, err := q.pool.CopyFrom(ctx, pgx.Identifier{"queue"}, []string{"domain"}, rows); err != nil {
			return err
		}
	}
	return nil
}

// settled has nothing to wait for: what counts as done is committed.
func (q *handQueue) settled(context.Context, int) error { return nil }
