package delivery

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Lot says which jobs a dispatcher asks for: those of one kind, lane and account.
type Lot struct {
	Kind    record.Kind
	Lane    record.Lane
	Account string
	// Canceling narrows TakeDue to registrations that an operator has canceled: all that is left to them is a check.
	Canceling bool
	// After is the order behind which TakeUndelivered goes on: the last one that it took chunks of. 0: from the oldest.
	After int64
	// Turns remembers behind which of its orders each source goes on; nil: each goes on behind After.
	Turns *Turns
}

// TakeUndelivered takes at most limit chunks that were never delivered. Sources take turns, beginning behind the one that had the last
// one, and get the same share of the limit. The orders of a source take turns within its share: it goes from order to order and
// on with the oldest, and takes as many chunks of each. Paused orders are passed over. Should a delivery get lost, RecoverChunks
// finds what is left of it after redeliver. Dispatchers in other processes take other chunks meanwhile. A delivery may
// be empty: none of its chunk's jobs waits any more. With an error it returns what it had taken before.
//
// It looks at no more sources and orders than it takes chunks, and at the paused ones, however many wait.
func (s *Deliveries) TakeUndelivered(ctx context.Context, lot Lot, limit int, redeliver time.Duration) ([]record.Delivery, error) {
	behind, err := s.lastTurn(ctx, lot)
	if err != nil {
		return nil, pg.Failure("take undelivered chunks", err)
	}
	var r rounds
	err = r.run(limit, func(atMost int) ([]share, error) {
		return s.sources(ctx, lot, undeliveredTurns(), behind, atMost)
	}, func(round []*share) error {
		var batch pgx.Batch
		sql := takeUndeliveredOf()
		for _, sh := range round {
			batch.Queue(sql, lot.Kind, lot.Lane, lot.Account, sh.limit, pg.Seconds(redeliver), sh.after, sh.turn).Query(sh.readUndelivered)
		}
		return s.db.Pool.SendBatch(ctx, &batch).Close()
	})
	return r.deliveries(), pg.Failure("take undelivered chunks", err)
}

func (sh *share) readUndelivered(rows pgx.Rows) error {
	type key struct {
		order int64
		first int
	}
	var (
		k, last key
		head    record.Delivery
		id      pgtype.UUID
		job     record.DeliveredJob
	)
	_, err := pgx.ForEachRow(rows, []any{&k.order, &k.first, &head.Source, &head.Reference, &head.Trace, &id, &job.Domain, &job.Epoch}, func() error {
		if k != last {
			head.OrderID, head.Turn = k.order, sh.turn
			sh.taken, last = append(sh.taken, head), k
			sh.found, sh.gave, sh.after = sh.found+1, sh.gave+1, k.order
		}
		if id.Valid {
			job.ID = id.Bytes
			d := &sh.taken[len(sh.taken)-1]
			d.Jobs = append(d.Jobs, job)
		}
		return nil
	})
	return err
}

// takeUndeliveredOf takes undelivered chunks of one source.
func takeUndeliveredOf() string {
	return `
	WITH RECURSIVE ` + undeliveredOrders() + `, orders_in_turn AS (
		SELECT order_id, row_number() OVER () AS place
		FROM (SELECT order_id FROM behind UNION ALL SELECT order_id FROM before) AS o
		WHERE NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = o.order_id OFFSET 0)
		LIMIT $4
	), undelivered AS (
		SELECT c.order_id, c.first_seq, t.place FROM orders_in_turn t CROSS JOIN LATERAL (
			SELECT order_id, first_seq FROM chunks
			WHERE kind = $1 AND lane = $2 AND account = $3 AND turn = $7 AND order_id = t.order_id AND wake_at IS NULL
			ORDER BY kind, lane, account, turn, order_id, first_seq
			LIMIT (SELECT ceil($4::float8 / greatest(count(*), 1)) FROM orders_in_turn) FOR UPDATE SKIP LOCKED
		) AS c
		LIMIT $4
	), taken AS (
		UPDATE chunks c SET wake_at = now() + make_interval(secs => $5)
		FROM undelivered f WHERE c.order_id = f.order_id AND c.first_seq = f.first_seq
		RETURNING f.place, c.order_id, c.first_seq, c.last_seq
	)
	SELECT t.order_id, t.first_seq, o.source, o.reference, coalesce(o.trace, ''), j.id, coalesce(j.domain, ''), coalesce(j.epoch, 0)
	FROM taken t
	JOIN orders o ON o.id = t.order_id
	LEFT JOIN LATERAL (` + record.JobsOfChunk + `) AS j ON true
	ORDER BY t.place, t.first_seq, j.seq`
}

// undeliveredOrders are the orders of a source, turn $7, with undelivered chunks: those behind order $6, and those before it, in the order of
// their ids.
func undeliveredOrders() string {
	r := ring{from: undelivered, column: "order_id", of: "$7"}
	return r.values("behind", "$6", lastOrder) + `, ` + r.values("before", "-1", "$6")
}

// undeliveredTurns are the sources of a lot with undelivered chunks that may go, those behind $4 first: the turns of at most $5.
func undeliveredTurns() string {
	r := ring{from: undelivered, column: "order_id", of: "t.turn"}
	return turns(undelivered, `EXISTS (
		WITH RECURSIVE `+r.values("candidates", "-1", lastOrder)+` SELECT FROM candidates
		WHERE NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = candidates.order_id OFFSET 0))`)
}

const (
	// undelivered are the chunks of a lot that were never delivered.
	undelivered = `chunks c WHERE c.kind = $1 AND c.lane = $2 AND c.account = $3 AND c.wake_at IS NULL`
	// lastOrder is an order that comes after all others.
	lastOrder = "9223372036854775807"
)

// TakeDue takes at most limit jobs whose own wake_at has passed, and packs them by order into deliveries of at most chunkSize.
// Sources get the same share of the limit, and of each the longest overdue come first. Each job gets a new epoch, so that an older
// delivery of it is stale from now on, and wakes again after redeliver unless it is claimed before. Jobs of paused orders become
// held instead. With an error it returns what it had taken before.
func (s *Deliveries) TakeDue(ctx context.Context, lot Lot, limit, chunkSize int, redeliver time.Duration) ([]record.Delivery, error) {
	var r rounds
	err := r.run(limit, func(atMost int) ([]share, error) {
		// It begins with anybody: there may be more sources than it takes jobs of.
		return s.sources(ctx, lot, dueTurns(), rand.N[int16](math.MaxInt16), atMost, lot.Canceling)
	}, func(round []*share) error {
		var batch pgx.Batch
		for _, sh := range round {
			batch.Queue(takeDueOf, lot.Kind, lot.Lane, lot.Account, sh.limit, pg.Seconds(redeliver), lot.Canceling, sh.turn).
				Query(func(rows pgx.Rows) error { return sh.readDue(rows, chunkSize) })
		}
		return s.db.Pool.SendBatch(ctx, &batch).Close()
	})
	return r.deliveries(), pg.Failure("take due jobs", err)
}

func (sh *share) readDue(rows pgx.Rows, chunkSize int) error {
	var (
		head   record.Delivery
		job    record.DeliveredJob
		paused bool
	)
	columns := []any{&head.OrderID, &head.Source, &head.Reference, &head.Trace, pg.BytesOf(&job.ID), &job.Domain, &job.Epoch, &paused}
	_, err := pgx.ForEachRow(rows, columns, func() error {
		sh.found++
		if paused {
			return nil
		}
		if n := len(sh.taken); n == 0 || sh.taken[n-1].OrderID != head.OrderID || len(sh.taken[n-1].Jobs) == chunkSize {
			head.Turn = sh.turn
			sh.taken = append(sh.taken, head)
		}
		d := &sh.taken[len(sh.taken)-1]
		d.Jobs = append(d.Jobs, job)
		sh.gave++
		return nil
	})
	return err
}

// takeDueOf takes due jobs of one source. These comparisons and this order can only be had of the index jobs_due_turns, whatever
// the planner believes of the size of the table.
const takeDueOf = `
	WITH due AS (
		SELECT id, EXISTS (SELECT FROM order_holds p WHERE p.order_id = jobs.order_id) AS paused FROM jobs
		WHERE kind = $1 AND lane = $2 AND account = $3 AND wake_at IS NOT NULL
			AND (turn, wake_at) >= ($7, '-infinity'::timestamptz) AND (turn, wake_at) <= ($7, now()) AND (canceling OR NOT $6)
		ORDER BY kind, lane, account, turn, wake_at LIMIT $4 FOR UPDATE SKIP LOCKED
	), changed AS (
		UPDATE jobs j SET
			state = CASE WHEN due.paused THEN 'held' ELSE 'queued' END,
			epoch = CASE WHEN due.paused THEN j.epoch ELSE j.epoch + 1 END,
			wake_at = CASE WHEN NOT due.paused THEN now() + make_interval(secs => $5) END
		FROM due WHERE j.id = due.id
		RETURNING j.order_id, j.seq, j.id, j.domain, j.epoch, due.paused
	)
	SELECT t.order_id, o.source, o.reference, coalesce(o.trace, ''), t.id, t.domain, t.epoch, t.paused
	FROM changed t JOIN orders o ON o.id = t.order_id
	ORDER BY t.order_id, t.seq`

// dueTurns are the sources of a lot with due jobs, those behind $4 first: the turns of at most $5. A source that has only jobs
// whose time has not come costs a look.
func dueTurns() string {
	const waking = `jobs c WHERE c.kind = $1 AND c.lane = $2 AND c.account = $3 AND c.wake_at IS NOT NULL`
	return turns(waking, `(
		SELECT true FROM `+waking+` AND (c.turn, c.wake_at) >= (t.turn, '-infinity'::timestamptz) AND (c.turn, c.wake_at) <= (t.turn, now())
			AND (c.canceling OR NOT $6)
		ORDER BY c.kind, c.lane, c.account, c.turn, c.wake_at LIMIT 1)`)
}
