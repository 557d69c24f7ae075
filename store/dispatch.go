package store

import (
	"context"
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
	// After is the order behind which TakeFresh goes on: the last one that it took chunks of. 0: from the oldest.
	After int64
}

// Delivery is a chunk of one order's jobs, ready to travel.
type Delivery struct {
	OrderID   int64
	Source    string
	Reference string
	Jobs      []DeliveredJob
}

// DeliveredJob is a job in a delivery. Only a claim that names its newest epoch gets it.
type DeliveredJob struct {
	ID     uuid.UUID
	Domain string
	Epoch  int
	// Of is what a delivery that came from outside says the job is of. A job of anything else is left as it is. Zero: the job
	// comes from this database itself.
	Of Origin
}

// TakeFresh takes at most limit chunks that were never delivered. Orders take turns: it goes from order to order, beginning
// behind lot.After and going on with the oldest, and takes as many chunks of each. Paused orders are passed over. Should a
// delivery get lost, RecoverChunks finds what is left of it after redeliver. Dispatchers in other processes take
// other chunks meanwhile. A delivery may be empty: none of its chunk's jobs waits any more.
//
// It looks at no more orders than it takes chunks, and at the paused ones, however many wait.
func (s *Store) TakeFresh(ctx context.Context, lot Lot, limit int, redeliver time.Duration) ([]Delivery, error) {
	rows, err := s.pool.Query(ctx, `
		WITH RECURSIVE `+freshOrders+`, turn AS (
			SELECT order_id, row_number() OVER () AS place
			FROM (SELECT order_id FROM behind UNION ALL SELECT order_id FROM before) AS o
			WHERE NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = o.order_id OFFSET 0)
			LIMIT $4
		), fresh AS (
			SELECT c.order_id, c.first_seq, turn.place FROM turn CROSS JOIN LATERAL (
				SELECT order_id, first_seq FROM chunks
				WHERE kind = $1 AND lane = $2 AND account = $3 AND order_id = turn.order_id AND wake_at IS NULL
				ORDER BY kind, lane, account, order_id, first_seq
				LIMIT (SELECT ceil($4::float8 / greatest(count(*), 1)) FROM turn) FOR UPDATE SKIP LOCKED
			) AS c
			LIMIT $4
		), taken AS (
			UPDATE chunks c SET wake_at = now() + make_interval(secs => $5)
			FROM fresh f WHERE c.order_id = f.order_id AND c.first_seq = f.first_seq
			RETURNING f.place, c.order_id, c.first_seq, c.last_seq
		)
		SELECT t.order_id, t.first_seq, o.source, o.reference, j.id, coalesce(j.domain, ''), coalesce(j.epoch, 0)
		FROM taken t
		JOIN orders o ON o.id = t.order_id
		LEFT JOIN LATERAL (`+jobsOfChunk+`) AS j ON true
		ORDER BY t.place, t.first_seq, j.seq`,
		lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver), lot.After)
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
			head.OrderID = k.order
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

// freshOrders are the orders of a lot with fresh chunks: those behind order $6, and those before it, in the order of their
// ids. Each step is one look into the index chunks_fresh, and no more steps are made than rows are read.
const freshOrders = `
	behind AS (
		(SELECT order_id FROM chunks
		WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NULL AND order_id > $6
		ORDER BY kind, lane, account, order_id LIMIT 1)
		UNION ALL
		SELECT next.order_id FROM behind CROSS JOIN LATERAL (
			SELECT order_id FROM chunks
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NULL AND order_id > behind.order_id
			ORDER BY kind, lane, account, order_id LIMIT 1
		) AS next
	), before AS (
		(SELECT order_id FROM chunks
		WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NULL AND order_id <= $6
		ORDER BY kind, lane, account, order_id LIMIT 1)
		UNION ALL
		SELECT next.order_id FROM before CROSS JOIN LATERAL (
			SELECT order_id FROM chunks
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NULL AND order_id > before.order_id AND order_id <= $6
			ORDER BY kind, lane, account, order_id LIMIT 1
		) AS next
	)`

// jobsOfChunk reads those jobs of chunk t that wait for it. Its ORDER BY keeps the planner from joining orders to
// jobs first, which would read whole orders.
const jobsOfChunk = `
	SELECT id, domain, epoch, seq FROM jobs
	WHERE order_id = t.order_id AND seq BETWEEN t.first_seq AND t.last_seq AND state = 'queued' AND wake_at IS NULL
	ORDER BY seq`

// TakeDue takes at most limit jobs whose own wake_at has passed, the longest overdue first, and packs them by
// order into deliveries of at most chunkSize. Each gets a new epoch, so that an older delivery of it is
// stale from now on, and wakes again after redeliver unless it is claimed before. Jobs of paused orders become held instead.
// With an error it returns what it had taken before.
func (s *Store) TakeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) ([]Delivery, error) {
	var deliveries []Delivery
	for taken := 0; taken < limit; {
		round, looked, err := s.takeDue(ctx, lot, limit-taken, chunkSize, redeliver)
		if err != nil {
			return deliveries, err
		}
		deliveries = append(deliveries, round...)
		for _, d := range round {
			looked -= len(d.Jobs)
			taken += len(d.Jobs)
		}
		if looked == 0 {
			break // all that it found; had it been more, none of them was of a paused order
		}
	}
	return deliveries, nil
}

// takeDue looks at no more than limit due jobs, and returns at how many it has.
func (s *Store) takeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) (deliveries []Delivery, looked int, err error) {
	rows, err := s.pool.Query(ctx, `
		WITH due AS (
			SELECT id, EXISTS (SELECT FROM order_holds p WHERE p.order_id = jobs.order_id) AS paused FROM jobs
			WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at <= now() AND (canceling OR NOT $6)
			ORDER BY wake_at LIMIT $4 FOR UPDATE SKIP LOCKED
		), changed AS (
			UPDATE jobs j SET
				state = CASE WHEN due.paused THEN 'held' ELSE 'queued' END,
				epoch = CASE WHEN due.paused THEN j.epoch ELSE j.epoch + 1 END,
				wake_at = CASE WHEN NOT due.paused THEN now() + make_interval(secs => $5) END
			FROM due WHERE j.id = due.id
			RETURNING j.order_id, j.seq, j.id, j.domain, j.epoch, due.paused
		)
		SELECT t.order_id, o.source, o.reference, t.id, t.domain, t.epoch, t.paused
		FROM changed t JOIN orders o ON o.id = t.order_id
		ORDER BY t.order_id, t.seq`,
		lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver), lot.Canceling)
	if err != nil {
		return nil, 0, failure("take due jobs", err)
	}
	var (
		head   Delivery
		job    DeliveredJob
		paused bool
	)
	_, err = pgx.ForEachRow(rows, []any{&head.OrderID, &head.Source, &head.Reference, bytesOf(&job.ID), &job.Domain, &job.Epoch, &paused}, func() error {
		looked++
		if paused {
			return nil
		}
		if n := len(deliveries); n == 0 || deliveries[n-1].OrderID != head.OrderID || len(deliveries[n-1].Jobs) == chunkSize {
			deliveries = append(deliveries, head)
		}
		d := &deliveries[len(deliveries)-1]
		d.Jobs = append(d.Jobs, job)
		return nil
	})
	if err != nil {
		return nil, 0, failure("take due jobs", err) // rolled back
	}
	return deliveries, looked, nil
}
