package delivery

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/jackc/pgx/v5"
)

// Recalled counts what Recall made due.
type Recalled struct {
	New    bool // the mark was not known: the others are 0 otherwise
	Chunks int  // deliveries that were called back as they were made
	Jobs   int  // jobs that had been delivered one by one
}

// Bounds of a recall.
const (
	// recallAtOnce is how many rows one statement changes at most.
	recallAtOnce = 5000
	// marksKept is how many of the newest marks are remembered.
	marksKept = 100
)

// Recall tells of a mark, the name of one life of the place where deliveries lie. A mark that is not known means that
// nothing of what was delivered before is there any more: whatever was delivered within the last redeliver and is not
// claimed becomes due now, in the transaction that remembers the mark. So it happens once, however many ask. What waits
// for a time of its own, such as a retry, keeps it.
//
// To recall too much does no harm: the next delivery has a new epoch, and the one before it is then stale.
func (s *Deliveries) Recall(ctx context.Context, mark string, redeliver time.Duration) (Recalled, error) {
	var r Recalled
	err := s.db.InLongTx(ctx, "recall deliveries", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO delivery_marks (mark) VALUES ($1) ON CONFLICT DO NOTHING`, mark)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		r.New = true
		if r.Chunks, err = recallAll(ctx, tx, recallChunks, redeliver); err != nil {
			return err
		}
		if r.Jobs, err = recallAll(ctx, tx, recallJobs, redeliver); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			DELETE FROM delivery_marks WHERE mark <> $1 AND mark NOT IN (
				SELECT mark FROM delivery_marks ORDER BY seen_at DESC, mark LIMIT $2)`, mark, marksKept)
		return err
	})
	if err != nil {
		return Recalled{}, err
	}
	return r, nil
}

// recallAll repeats a statement until it finds no more. It comes to an end: what was delivered after the transaction began
// wakes later than now() + redeliver and is not asked for.
func recallAll(ctx context.Context, tx pgx.Tx, statement string, redeliver time.Duration) (int, error) {
	total := 0
	for {
		tag, err := tx.Exec(ctx, statement, pg.Seconds(redeliver), recallAtOnce)
		if err != nil {
			return 0, err
		}
		total += int(tag.RowsAffected())
		if tag.RowsAffected() < recallAtOnce {
			return total, nil
		}
	}
}

// Both pass over rows that are locked: those are being claimed, or taken for another delivery.

const recallChunks = `
	WITH sent AS (
		SELECT order_id, first_seq FROM chunks
		WHERE wake_at > now() AND wake_at <= now() + make_interval(secs => $1)
		ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
	)
	UPDATE chunks c SET wake_at = now() FROM sent s WHERE c.order_id = s.order_id AND c.first_seq = s.first_seq`

// recallJobs walks through the index jobs_due from one lot to the next, so that it reads the rows near their time and not a
// million retries that are far from it.
const recallJobs = `
	WITH RECURSIVE lots AS (
		(SELECT kind, lane, account FROM jobs WHERE wake_at IS NOT NULL ORDER BY kind, lane, account LIMIT 1)
		UNION ALL
		SELECT next.kind, next.lane, next.account FROM lots CROSS JOIN LATERAL (
			SELECT j.kind, j.lane, j.account FROM jobs j
			WHERE j.wake_at IS NOT NULL AND (j.kind, j.lane, j.account) > (lots.kind, lots.lane, lots.account)
			ORDER BY j.kind, j.lane, j.account LIMIT 1) AS next
	), sent AS (
		SELECT near.id FROM lots CROSS JOIN LATERAL (
			SELECT j.id FROM jobs j
			WHERE j.kind = lots.kind AND j.lane = lots.lane AND j.account = lots.account
				AND j.wake_at > now() AND j.wake_at <= now() + make_interval(secs => $1) AND j.state = 'queued'
			ORDER BY j.wake_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS near
		LIMIT $2
	)
	UPDATE jobs SET wake_at = now() FROM sent WHERE jobs.id = sent.id`
