package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Waiting is what waits in a live worker.
type Waiting struct {
	Claims []uuid.UUID // of batches that wait for their call
	Lease  time.Duration
	Jobs   []DeliveredJob // that wait for a batch
	// Redeliver is how long these may stay unclaimed from now on.
	Redeliver time.Duration
}

// KeepWaiting keeps what waits in a live worker from being taken for lost: the leases of its claims, and the deliveries of
// jobs that nobody has claimed yet. A claim whose lease has passed has ended, and is not brought back. Rows that are locked
// are passed over: somebody is dealing with them.
func (s *Store) KeepWaiting(ctx context.Context, w Waiting) error {
	var batch pgx.Batch
	batch.Queue(`SELECT set_config('synchronous_commit', 'off', true)`) // the next beat says the same again
	if len(w.Claims) > 0 {
		batch.Queue(keepClaims, toUUIDs(w.Claims, asIs), seconds(w.Lease))
	}
	if len(w.Jobs) > 0 {
		ids, epochs := split(w.Jobs)
		batch.Queue(keepChunks, ids, seconds(w.Redeliver))
		batch.Queue(keepJobs, ids, epochs, seconds(w.Redeliver))
	}
	if batch.Len() == 1 {
		return nil
	}
	return failure("keep what waits", s.pool.SendBatch(ctx, &batch).Close())
}

const keepClaims = `
	WITH mine AS (
		SELECT id FROM claims WHERE id = ANY($1) AND closed_at IS NULL AND (lease_until > now()) IS TRUE
		ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
	)
	UPDATE claims c SET lease_until = greatest(c.lease_until, now() + make_interval(secs => $2)) FROM mine WHERE c.id = mine.id`

// keepChunks keeps the chunks that the jobs were delivered with, unless their jobs wake one by one by now.
const keepChunks = `
	WITH theirs AS (
		SELECT DISTINCT ch.order_id, ch.first_seq
		FROM unnest($1::uuid[]) AS w (id)
		JOIN jobs j ON j.id = w.id AND j.state = 'queued' AND j.wake_at IS NULL
		CROSS JOIN LATERAL (
			SELECT order_id, first_seq FROM chunks
			WHERE order_id = j.order_id AND first_seq <= j.seq AND last_seq >= j.seq
			ORDER BY first_seq DESC LIMIT 1
		) AS ch
	), kept AS (
		SELECT c.order_id, c.first_seq FROM chunks c JOIN theirs t USING (order_id, first_seq)
		WHERE c.wake_at IS NOT NULL ORDER BY c.order_id, c.first_seq FOR UPDATE OF c SKIP LOCKED
	)
	UPDATE chunks c SET wake_at = greatest(c.wake_at, now() + make_interval(secs => $2))
	FROM kept k WHERE c.order_id = k.order_id AND c.first_seq = k.first_seq`

const keepJobs = `
	WITH kept AS (
		SELECT j.id FROM unnest($1::uuid[], $2::integer[]) AS w (id, epoch)
		JOIN jobs j ON j.id = w.id AND j.epoch = w.epoch AND j.state = 'queued' AND j.wake_at IS NOT NULL
		ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
	)
	UPDATE jobs j SET wake_at = greatest(j.wake_at, now() + make_interval(secs => $3)) FROM kept k WHERE j.id = k.id`
