package delivery

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Undeliver makes jobs due again, after delay, that were taken and did not reach a worker that can use them: Redis refused
// the task, or the worker is shutting down. Jobs with another epoch by now, claimed, or of another origin than they are said to
// be, stay as they are. Dispatchers are
// told unless there is a delay: they would come too early.
func (s *Deliveries) Undeliver(ctx context.Context, jobs []record.DeliveredJob, delay time.Duration) error {
	rows, err := s.db.Pool.Query(ctx, `
		WITH back AS (`+lockDelivered()+`), made_due AS (
			UPDATE jobs j SET wake_at = now() + make_interval(secs => $8) WHERE j.id = ANY(ARRAY(SELECT id FROM back)) RETURNING j.kind
		)
		SELECT kind FROM made_due WHERE $8 = 0 GROUP BY kind`,
		append(Columns(jobs), pg.Seconds(delay))...)
	if err != nil {
		return pg.Failure("give jobs back", err)
	}
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[record.Kind])
	for _, kind := range kinds {
		s.db.Wake(kind)
	}
	return pg.Failure("give jobs back", err)
}

// lockDelivered locks those of the jobs $1 that still wait under their epochs $2, and are of their origins: $3 to $7. It locks by
// id, which is their order, as everything does that may have to wait for another statement's jobs: two statements about the same
// jobs cannot lock each other out then. Whoever takes jobs in another order passes over what is locked.
//
// A LATERAL that locks is never turned round, and what was locked is then looked up in an array: whatever the planner believes of
// the size of the table, it neither changes the order nor reads the table for each row.
func lockDelivered() string {
	return `
	SELECT mine.id FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS w (id, epoch, origin) CROSS JOIN LATERAL (
		SELECT j.id FROM jobs j WHERE j.id = w.id AND j.epoch = w.epoch AND j.state = 'queued' AND ` + record.BindsTo("w.origin", 4) + `
		FOR NO KEY UPDATE
	) AS mine`
}

// Columns makes columns of jobs, in the order of their ids: the ids, the epochs, and the five of their origins.
func Columns(jobs []record.DeliveredJob) []any {
	jobs = slices.Clone(jobs)
	slices.SortFunc(jobs, func(a, b record.DeliveredJob) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	epochs := make([]int32, len(jobs))
	for i, j := range jobs {
		if epochs[i] = -1; j.Epoch <= math.MaxInt32 { // no job has such an epoch
			epochs[i] = int32(j.Epoch)
		}
	}
	ids := pg.ToUUIDs(jobs, func(j record.DeliveredJob) uuid.UUID { return j.ID })
	return append([]any{ids, epochs}, record.OriginsOf(jobs, record.DeliveredJob.Origin).Args()...)
}

// RecoverChunks ends at most limit deliveries whose time is up, and makes those of their jobs that nobody has
// claimed due at once, each by itself. It returns how many jobs that were. It may have to wait for a job that is being claimed,
// and does not pass over it: should that claim fail, nobody else would wake the job.
func (s *Deliveries) RecoverChunks(ctx context.Context, limit int) (chunks, jobs int, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		WITH due AS (
			SELECT order_id, first_seq FROM chunks WHERE wake_at <= now()
			ORDER BY wake_at LIMIT $1 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM chunks c USING due d WHERE c.order_id = d.order_id AND c.first_seq = d.first_seq
			RETURNING c.order_id, c.first_seq, c.last_seq
		), waiting AS MATERIALIZED (
			SELECT j.id FROM gone t CROSS JOIN LATERAL (`+record.JobsOfChunk+`) AS j
		), locked AS (
			SELECT mine.id FROM (SELECT id FROM waiting ORDER BY id OFFSET 0) AS w CROSS JOIN LATERAL (
				SELECT j.id FROM jobs j
				WHERE j.id = w.id AND j.state = 'queued' AND j.wake_at IS NULL -- not claimed meanwhile
				FOR NO KEY UPDATE
			) AS mine
		), woken AS (
			UPDATE jobs j SET wake_at = now() WHERE j.id = ANY(ARRAY(SELECT id FROM locked)) RETURNING j.id
		)
		SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM woken)`, limit).Scan(&chunks, &jobs)
	return chunks, jobs, pg.Failure("recover chunks", err)
}
