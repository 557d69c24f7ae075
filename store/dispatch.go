package store

import (
	"context"
	"math"
	"math/rand/v2"
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
	// Turns remembers behind which of its orders each source goes on; nil: each goes on behind After.
	Turns *Turns
}

// Delivery is a chunk of one order's jobs, ready to travel.
type Delivery struct {
	OrderID   int64
	Source    string
	Reference string
	Turn      int16 // its source's
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

// TakeFresh takes at most limit chunks that were never delivered. Sources take turns, beginning behind that of order lot.After,
// and get the same share of the limit. The orders of a source take turns within its share: it goes from order to order and on
// with the oldest, and takes as many chunks of each. Paused orders are passed over. Should a delivery get lost, RecoverChunks
// finds what is left of it after redeliver. Dispatchers in other processes take other chunks meanwhile. A delivery may
// be empty: none of its chunk's jobs waits any more.
//
// It looks at no more sources and orders than it takes chunks, and at the paused ones, however many wait.
func (s *Store) TakeFresh(ctx context.Context, lot Lot, limit int, redeliver time.Duration) ([]Delivery, error) {
	turns, after := lot.Turns.columns()
	otherwise := lot.After
	if lot.Turns != nil {
		otherwise = 0 // whoever is new begins with his oldest
	}
	rows, err := s.pool.Query(ctx, takeFresh(), lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver), lot.After, turns, after, otherwise)
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
	_, err = pgx.ForEachRow(rows, []any{&k.order, &k.first, &head.Source, &head.Reference, &head.Turn, &id, &job.Domain, &job.Epoch}, func() error {
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

// undelivered are the chunks of a lot that were never delivered.
const undelivered = `chunks c WHERE c.kind = $1 AND c.lane = $2 AND c.account = $3 AND c.wake_at IS NULL`

// takeFresh steps through the sources' turns, part, and for each through its orders, turn. In the result the first chunk of
// each source stands before the second one of any.
func takeFresh() string {
	return `
	WITH RECURSIVE ` + ring("turn", undelivered, "c.kind, c.lane, c.account", "coalesce((SELECT turn FROM orders WHERE id = $6), -1)") + `,
	part AS MATERIALIZED (
		SELECT turn, row_number() OVER () AS place,
			coalesce((SELECT u.after FROM unnest($7::smallint[], $8::bigint[]) AS u (turn, after) WHERE u.turn = t.turn), $9) AS after
		FROM ` + both("turn") + ` AS t
		WHERE EXISTS (SELECT FROM (
			WITH RECURSIVE ` + ring("order_id", undelivered+" AND c.turn = t.turn", "c.kind, c.lane, c.account, c.turn", "0") + `
			SELECT order_id FROM behind
		) AS o WHERE ` + orderNotPaused + `)
		LIMIT $4
	), turn AS MATERIALIZED (
		SELECT part.turn, part.place, o.order_id, o.nth, count(*) OVER (PARTITION BY part.turn) AS orders
		FROM part CROSS JOIN LATERAL (
			WITH RECURSIVE ` + ring("order_id", undelivered+" AND c.turn = part.turn", "c.kind, c.lane, c.account, c.turn", "part.after") + `
			SELECT order_id, row_number() OVER () AS nth FROM ` + both("order_id") + ` AS o
			WHERE ` + orderNotPaused + ` LIMIT ` + share + `
		) AS o
	), fresh AS (
		SELECT c.order_id, c.first_seq, turn.turn, turn.place,
			row_number() OVER (PARTITION BY turn.turn ORDER BY turn.nth, c.first_seq) AS round
		FROM turn CROSS JOIN LATERAL (
			SELECT c.order_id, c.first_seq FROM ` + undelivered + ` AND c.turn = turn.turn AND c.order_id = turn.order_id
			ORDER BY c.kind, c.lane, c.account, c.turn, c.order_id, c.first_seq
			LIMIT ceil(` + share + ` / turn.orders) FOR UPDATE SKIP LOCKED
		) AS c
		ORDER BY round, place LIMIT $4
	), taken AS (
		UPDATE chunks c SET wake_at = now() + make_interval(secs => $5)
		FROM fresh f WHERE c.order_id = f.order_id AND c.first_seq = f.first_seq
		RETURNING f.round, f.place, f.turn, c.order_id, c.first_seq, c.last_seq
	)
	SELECT t.order_id, t.first_seq, o.source, o.reference, t.turn, j.id, coalesce(j.domain, ''), coalesce(j.epoch, 0)
	FROM taken t
	JOIN orders o ON o.id = t.order_id
	LEFT JOIN LATERAL (` + jobsOfChunk + `) AS j ON true
	ORDER BY t.round, t.place, j.seq`
}

const (
	orderNotPaused = `NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = o.order_id OFFSET 0)`
	// share is how much of the limit $4 each part gets.
	share = `(SELECT ceil($4::float8 / greatest(count(*), 1)) FROM part)`
)

// jobsOfChunk reads those jobs of chunk t that wait for it. Its ORDER BY keeps the planner from joining orders to
// jobs first, which would read whole orders.
const jobsOfChunk = `
	SELECT id, domain, epoch, seq FROM jobs
	WHERE order_id = t.order_id AND seq BETWEEN t.first_seq AND t.last_seq AND state = 'queued' AND wake_at IS NULL
	ORDER BY seq`

// TakeDue takes at most limit jobs whose own wake_at has passed, and packs them by order into deliveries of at most chunkSize.
// Sources get the same share of the limit, and of each the longest overdue come first. Each job gets a new epoch, so that an older
// delivery of it is stale from now on, and wakes again after redeliver unless it is claimed before. Jobs of paused orders become
// held instead. With an error it returns what it had taken before.
func (s *Store) TakeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) ([]Delivery, error) {
	var deliveries []Delivery
	for taken := 0; taken < limit; {
		round, more, err := s.takeDue(ctx, lot, limit-taken, chunkSize, redeliver)
		if err != nil {
			return deliveries, err
		}
		deliveries = append(deliveries, round...)
		for _, d := range round {
			taken += len(d.Jobs)
		}
		if !more {
			break
		}
	}
	return deliveries, nil
}

// takeDue looks at no more than limit due jobs. It begins with any source: there may be more of them than it looks at. more says
// that it may have left others than the limit did: some of the jobs were of paused orders, or a source's share was too small.
func (s *Store) takeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) (deliveries []Delivery, more bool, err error) {
	rows, err := s.pool.Query(ctx, takeDue(), lot.Kind, lot.Lane, lot.Account, limit, seconds(redeliver), lot.Canceling, rand.N[int16](math.MaxInt16))
	if err != nil {
		return nil, false, failure("take due jobs", err)
	}
	var (
		head        Delivery
		job         DeliveredJob
		paused, cut bool
	)
	columns := []any{&head.OrderID, &head.Source, &head.Reference, &head.Turn, bytesOf(&job.ID), &job.Domain, &job.Epoch, &paused, &cut}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		more = more || paused || cut
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
		return nil, false, failure("take due jobs", err) // rolled back
	}
	return deliveries, more, nil
}

// dueJobs are the jobs of a lot whose time comes by itself.
const dueJobs = `jobs c WHERE c.kind = $1 AND c.lane = $2 AND c.account = $3 AND c.wake_at IS NOT NULL`

// takeDue steps through the sources' turns. A source that has only jobs whose time has not come costs it a look.
func takeDue() string {
	// These comparisons and this order can only be had of one index: whatever the planner believes of the size of the table.
	const itsDue = dueJobs + ` AND (c.turn, c.wake_at) >= (t.turn, '-infinity'::timestamptz) AND (c.turn, c.wake_at) <= (t.turn, now())
		AND (c.canceling OR NOT $6) ORDER BY c.kind, c.lane, c.account, c.turn, c.wake_at`
	return `
	WITH RECURSIVE ` + ring("turn", dueJobs, "c.kind, c.lane, c.account", "$7::smallint") + `,
	part AS MATERIALIZED (
		SELECT turn FROM ` + both("turn") + ` AS t WHERE (SELECT true FROM ` + itsDue + ` LIMIT 1) LIMIT $4
	), due AS (
		SELECT d.id, d.paused, t.turn FROM part AS t CROSS JOIN LATERAL (
			SELECT c.id, EXISTS (SELECT FROM order_holds p WHERE p.order_id = c.order_id) AS paused FROM ` + itsDue + `
			LIMIT ` + share + ` FOR UPDATE SKIP LOCKED
		) AS d
		LIMIT $4
	), changed AS (
		UPDATE jobs j SET
			state = CASE WHEN due.paused THEN 'held' ELSE 'queued' END,
			epoch = CASE WHEN due.paused THEN j.epoch ELSE j.epoch + 1 END,
			wake_at = CASE WHEN NOT due.paused THEN now() + make_interval(secs => $5) END
		FROM due WHERE j.id = due.id
		RETURNING j.order_id, j.seq, j.id, j.domain, j.epoch, j.turn, due.paused
	)
	SELECT t.order_id, o.source, o.reference, t.turn, t.id, t.domain, t.epoch, t.paused,
		count(*) OVER (PARTITION BY t.turn) >= ` + share + ` AND count(*) OVER () < $4 AS cut
	FROM changed t JOIN orders o ON o.id = t.order_id
	ORDER BY t.order_id, t.seq`
}
