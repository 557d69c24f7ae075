package ledger

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Waiting is what waits in a live worker.
type Waiting struct {
	Claims []uuid.UUID // of batches that wait for their call
	Lease  time.Duration
	// Chunks has one job of each chunk, delivered with it, whose jobs wait for a batch; Jobs those that were delivered one by
	// one.
	Chunks []uuid.UUID
	Jobs   []record.DeliveredJob
	// ChunksOf says of each of Chunks what its delivery says it is of; nil: they come from this database itself.
	ChunksOf []record.Origin
	// Redeliver is how long these may stay unclaimed from now on.
	Redeliver time.Duration
}

// KeepClaims keeps the leases of claims that wait in a live worker. One whose lease has passed has ended, and is not brought
// back. Rows that are locked are passed over: somebody is dealing with them.
func (s *Ledger) KeepClaims(ctx context.Context, w Waiting) error {
	if len(w.Claims) == 0 {
		return nil
	}
	return s.keep(ctx, "keep claims that wait", statement{sql: keepClaims, args: []any{pg.ToUUIDs(w.Claims, pg.AsIs), pg.Seconds(w.Lease)}})
}

// KeepDeliveries keeps deliveries that wait in a live worker from being made again. Rows that are locked are passed over.
func (s *Ledger) KeepDeliveries(ctx context.Context, w Waiting) error {
	var statements []statement
	if len(w.Chunks) > 0 {
		of := make([]record.Origin, len(w.Chunks))
		copy(of, w.ChunksOf)
		args := append([]any{pg.Seconds(w.Redeliver), pg.ToUUIDs(w.Chunks, pg.AsIs)}, record.OriginsOf(of, func(o record.Origin) record.Origin { return o }).Args()...)
		statements = append(statements, statement{sql: keepChunks(), args: args})
	}
	if len(w.Jobs) > 0 {
		statements = append(statements, statement{sql: keepJobs(), args: append(delivery.Columns(w.Jobs), pg.Seconds(w.Redeliver))})
	}
	return s.keep(ctx, "keep deliveries that wait", statements...)
}

// keep runs statements whose commit need not be on disk: the next beat says the same again.
func (s *Ledger) keep(ctx context.Context, action string, statements ...statement) error {
	if len(statements) == 0 {
		return nil
	}
	var batch pgx.Batch
	batch.Queue(`SELECT set_config('synchronous_commit', 'off', true)`)
	for _, st := range statements {
		batch.Queue(st.sql, st.args...)
	}
	return pg.Failure(action, s.db.Pool.SendBatch(ctx, &batch).Close())
}

// In these, OFFSET 0 keeps the planner from joining first: one look into an index for each id, whatever it thinks of the
// tables' sizes.

const keepClaims = `
	WITH mine AS (
		SELECT c.id FROM unnest($1::uuid[]) AS w (id) CROSS JOIN LATERAL (
			SELECT id FROM claims WHERE id = w.id AND closed_at IS NULL AND (lease_until > now()) IS TRUE
			OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED
		) AS c
	)
	UPDATE claims c SET lease_until = greatest(c.lease_until, now() + make_interval(secs => $2)) FROM mine WHERE c.id = mine.id`

// keepChunks keeps the chunks of jobs, unless their jobs wake one by one by now.
func keepChunks() string {
	return `
	WITH theirs AS (
		SELECT c.order_id, c.first_seq
		FROM unnest($2::uuid[], $3::integer[]) AS w (id, origin)
		CROSS JOIN LATERAL (
			SELECT order_id, seq FROM jobs j WHERE id = w.id AND state = 'queued' AND wake_at IS NULL AND ` + record.BindsTo("w.origin", 4) + ` OFFSET 0
		) AS j
		CROSS JOIN LATERAL (
			SELECT order_id, first_seq FROM chunks
			WHERE order_id = j.order_id AND first_seq <= j.seq AND last_seq >= j.seq AND wake_at IS NOT NULL
			ORDER BY first_seq DESC LIMIT 1 FOR UPDATE SKIP LOCKED
		) AS c
	)
	UPDATE chunks c SET wake_at = greatest(c.wake_at, now() + make_interval(secs => $1))
	FROM theirs t WHERE c.order_id = t.order_id AND c.first_seq = t.first_seq`
}

func keepJobs() string {
	return `
	WITH kept AS (
		SELECT j.id FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS w (id, epoch, origin) CROSS JOIN LATERAL (
			SELECT id FROM jobs j WHERE id = w.id AND epoch = w.epoch AND state = 'queued' AND wake_at IS NOT NULL AND ` + record.BindsTo("w.origin", 4) + `
			OFFSET 0 FOR UPDATE SKIP LOCKED
		) AS j
	)
	UPDATE jobs j SET wake_at = greatest(j.wake_at, now() + make_interval(secs => $8)) FROM kept k WHERE j.id = k.id`
}
