package store

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Lot says which jobs a dispatcher asks for: those of one kind, lane and account.
type Lot struct {
	Kind    Kind
	Lane    Lane
	Account string
	// Canceling narrows TakeDue to registrations that an operator has canceled: all that is left to them is a check.
	Canceling bool
}

// Delivery is a chunk of one order's jobs, ready to travel.
type Delivery struct {
	Source    string
	Reference string
	Jobs      []DeliveredJob
}

// DeliveredJob is a job in a delivery. Only a claim that names its newest epoch gets it.
type DeliveredJob struct {
	ID     uuid.UUID
	Domain string
	Epoch  int
}

// TakeFresh takes at most limit chunks that were never delivered, oldest orders first. Should a delivery
// get lost, RecoverChunks finds what is left of it after redeliver. Dispatchers in other processes take
// other chunks meanwhile. A delivery may be empty: none of its chunk's jobs waits any more.
func (s *Store) TakeFresh(ctx context.Context, lot Lot, limit int, redeliver time.Duration) ([]Delivery, error) {
	rows, err := s.pool.Query(ctx, `
		WITH fresh AS (
			SELECT order_id, first_seq FROM chunks
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NULL
			ORDER BY order_id, first_seq LIMIT $4 FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE chunks c SET wake_at = now() + make_interval(secs => $5)
			FROM fresh f WHERE c.order_id = f.order_id AND c.first_seq = f.first_seq
			RETURNING c.order_id, c.first_seq, c.last_seq
		)
		SELECT t.order_id, t.first_seq, o.source, o.reference, j.id, coalesce(j.domain, ''), coalesce(j.epoch, 0)
		FROM taken t
		JOIN orders o ON o.id = t.order_id
		LEFT JOIN LATERAL (`+jobsOfChunk+`) AS j ON true
		ORDER BY t.order_id, t.first_seq, j.seq`,
		lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver))
	if err != nil {
		return nil, failure("take fresh chunks", err)
	}
	type key struct {
		order int64
		first int
	}
	var (
		k, last    key
		head       Delivery
		id         pgtype.UUID
		job        DeliveredJob
		deliveries []Delivery
	)
	_, err = pgx.ForEachRow(rows, []any{&k.order, &k.first, &head.Source, &head.Reference, &id, &job.Domain, &job.Epoch}, func() error {
		if k != last {
			deliveries, last = append(deliveries, head), k
		}
		if id.Valid {
			job.ID = id.Bytes
			d := &deliveries[len(deliveries)-1]
			d.Jobs = append(d.Jobs, job)
		}
		return nil
	})
	return deliveries, failure("take fresh chunks", err)
}

// jobsOfChunk reads those jobs of chunk t that wait for it. Its ORDER BY keeps the planner from joining orders to
// jobs first, which would read whole orders.
const jobsOfChunk = `
	SELECT id, domain, epoch, seq FROM jobs
	WHERE order_id = t.order_id AND seq BETWEEN t.first_seq AND t.last_seq AND state = 'queued' AND wake_at IS NULL
	ORDER BY seq`

// TakeDue takes at most limit jobs whose own wake_at has passed, the longest overdue first, and packs them by
// order into deliveries of at most chunkSize. Each gets a new epoch, so that an older delivery of it is
// stale from now on, and wakes again after redeliver unless it is claimed before.
func (s *Store) TakeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) ([]Delivery, error) {
	rows, err := s.pool.Query(ctx, `
		WITH due AS (
			SELECT id FROM jobs
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at <= now() AND (canceling OR NOT $6)
			ORDER BY wake_at LIMIT $4 FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE jobs j SET state = 'queued', epoch = j.epoch + 1, wake_at = now() + make_interval(secs => $5)
			FROM due WHERE j.id = due.id
			RETURNING j.order_id, j.seq, j.id, j.domain, j.epoch
		)
		SELECT t.order_id, o.source, o.reference, t.id, t.domain, t.epoch
		FROM taken t JOIN orders o ON o.id = t.order_id
		ORDER BY t.order_id, t.seq`,
		lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver), lot.Canceling)
	if err != nil {
		return nil, failure("take due jobs", err)
	}
	var (
		order, last int64
		head        Delivery
		job         DeliveredJob
		deliveries  []Delivery
	)
	_, err = pgx.ForEachRow(rows, []any{&order, &head.Source, &head.Reference, bytesOf(&job.ID), &job.Domain, &job.Epoch}, func() error {
		if n := len(deliveries); order != last || len(deliveries[n-1].Jobs) == chunkSize {
			deliveries, last = append(deliveries, head), order
		}
		d := &deliveries[len(deliveries)-1]
		d.Jobs = append(d.Jobs, job)
		return nil
	})
	return deliveries, failure("take due jobs", err)
}

// Undeliver makes jobs due at once that were taken and did not reach a worker that can use them: Redis refused
// the task, or the worker is shutting down. Jobs with another epoch by now, or claimed, stay as they are.
func (s *Store) Undeliver(ctx context.Context, jobs []DeliveredJob, delay time.Duration) error {
	ids, epochs := split(jobs)
	_, err := s.pool.Exec(ctx, `
		WITH back AS (SELECT * FROM unnest($1::uuid[], $2::integer[]) AS b (id, epoch)), made_due AS (
			UPDATE jobs j SET wake_at = now() + make_interval(secs => $3)
			FROM back b WHERE j.id = b.id AND j.epoch = b.epoch AND j.state = 'queued'
			RETURNING j.kind
		)
		SELECT pg_notify($4, kind) FROM made_due GROUP BY kind`,
		ids, epochs, seconds(delay), wakeChannel)
	return failure("give jobs back", err)
}

// Refuse ends delivered jobs that nobody may carry out. Jobs with another epoch by now stay as they are, and so do those that
// were ever claimed: there may be a call for them whose outcome is unknown, and they may wait again under the same epoch.
func (s *Store) Refuse(ctx context.Context, jobs []DeliveredJob, text string) error {
	ids, epochs := split(jobs)
	_, err := s.pool.Exec(ctx, `
		UPDATE jobs j SET state = 'failed', outcome = 'rejected', last_error = $3, wake_at = NULL, finished_at = now(), canceling = false
		FROM unnest($1::uuid[], $2::integer[]) AS r (id, epoch)
		WHERE j.id = r.id AND j.epoch = r.epoch AND j.state = 'queued' AND j.claim_id IS NULL`, ids, epochs, clip(text))
	return failure("refuse jobs", err)
}

// split makes columns of jobs. They are in the order of their ids, so that two statements about the same jobs cannot lock
// each other out.
func split(jobs []DeliveredJob) (ids uuids, epochs []int32) {
	jobs = slices.Clone(jobs)
	slices.SortFunc(jobs, func(a, b DeliveredJob) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	epochs = make([]int32, len(jobs))
	for i, j := range jobs {
		if epochs[i] = -1; j.Epoch <= math.MaxInt32 { // no job has such an epoch
			epochs[i] = int32(j.Epoch)
		}
	}
	return toUUIDs(jobs, func(j DeliveredJob) uuid.UUID { return j.ID }), epochs
}

// RecoverChunks ends at most limit deliveries whose time is up, and makes those of their jobs that nobody has
// claimed due at once, each by itself. It returns how many jobs that were.
func (s *Store) RecoverChunks(ctx context.Context, limit int) (chunks, jobs int, err error) {
	err = s.pool.QueryRow(ctx, `
		WITH due AS (
			SELECT order_id, first_seq FROM chunks WHERE wake_at <= now()
			ORDER BY wake_at LIMIT $1 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM chunks c USING due d WHERE c.order_id = d.order_id AND c.first_seq = d.first_seq
			RETURNING c.order_id, c.first_seq, c.last_seq
		), woken AS (
			UPDATE jobs SET wake_at = now()
			FROM gone t CROSS JOIN LATERAL (`+jobsOfChunk+`) AS j
			WHERE jobs.id = j.id AND jobs.state = 'queued' AND jobs.wake_at IS NULL -- not claimed meanwhile
			RETURNING jobs.id
		)
		SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM woken)`, limit).Scan(&chunks, &jobs)
	return chunks, jobs, failure("recover chunks", err)
}
