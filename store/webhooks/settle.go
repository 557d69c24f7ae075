package webhooks

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Result is what came of an attempt, and what follows.
type Result struct {
	Delivery int64
	Endpoint string
	Sender   uuid.UUID // who claimed it
	Took     time.Duration
	Status   int    // of HTTP; 0: no answer came
	Error    string // in our words; "": it went well
	Answer   string // how it begins, at most MaxAnswer characters

	OK      bool
	Apart   bool          // a failure says nothing of the endpoint
	Retry   time.Duration // after a failure: until the next attempt; 0: it is given up
	Trouble bool          // the failure tells against the endpoint as a whole, which rests for a while
	Rest    time.Duration // at least so long
	Gone    bool          // the endpoint wants nothing any more
}

// restBase and restMax bound how long an endpoint rests after a failure: twice as long after each further one.
const (
	restBase = 5 * time.Second
	restMax  = 5 * time.Minute
)

// Settled is what settling a delivery led to.
type Settled struct {
	Late     bool     // somebody else has claimed it since, or it was changed: only the attempt was noted
	Disabled Disabled // the endpoint is from now on
}

// Settle writes down an attempt. What comes next in its line is due then, where this one ended.
func (w *Webhooks) Settle(ctx context.Context, r Result) (Settled, error) {
	var done Settled
	err := w.db.InTx(ctx, "settle delivery", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, r.Endpoint); err != nil {
			return err // it was removed
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO webhook_attempts (delivery_id, n, duration_ms, status, error, answer)
			SELECT d.id, coalesce((SELECT max(n) FROM webhook_attempts a WHERE a.delivery_id = d.id), 0) + 1, $2, $3, $4, left($5, $6)
			FROM webhook_deliveries d WHERE d.id = $1`,
			r.Delivery, r.Took.Milliseconds(), record.OrNull(r.Status), record.OrNull(r.Error), record.OrNull(r.Answer), MaxAnswer); err != nil {
			return err
		}
		ended, err := settleDelivery(ctx, tx, r)
		if err != nil {
			return err
		}
		done.Late = ended == nil
		if ended != nil && *ended {
			if _, err := tx.Exec(ctx, startNext, r.Delivery); err != nil {
				return err
			}
		}
		done.Disabled, err = settleEndpoint(ctx, tx, r)
		return err
	})
	if err != nil {
		return Settled{}, err
	}
	return done, nil
}

// settleDelivery reports whether the delivery has ended; nil says that it is somebody else's now.
func settleDelivery(ctx context.Context, tx pgx.Tx, r Result) (*bool, error) {
	state := Delivered
	switch {
	case !r.OK && r.Retry > 0:
		state = Waiting
	case !r.OK:
		state = Failed
	}
	rows, err := tx.Query(ctx, `
		UPDATE webhook_deliveries SET state = $3, sender = NULL,
			due_at = CASE WHEN $3 = 'waiting' THEN now() + make_interval(secs => $4) END, finished_at = CASE WHEN $3 <> 'waiting' THEN now() END
		WHERE id = $1 AND sender = $2 AND state = 'waiting' RETURNING state <> 'waiting'`,
		r.Delivery, pg.ToUUID(r.Sender), state, pg.Seconds(r.Retry))
	if err != nil {
		return nil, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	if err != nil || len(ended) == 0 {
		return nil, err
	}
	return &ended[0], nil
}

// startNext makes the delivery due that comes after another one, $1, in its line. Where that one was skipped, the line has gone on.
const startNext = `
	UPDATE webhook_deliveries SET due_at = now()
	WHERE due_at IS NULL AND id = (
		SELECT n.id FROM webhook_deliveries d JOIN webhook_deliveries n ON n.endpoint_id = d.endpoint_id AND n.line = d.line
		WHERE d.id = $1 AND n.state = 'waiting' AND n.skipped_at IS NULL ORDER BY n.id LIMIT 1)`

// settleEndpoint notes how its endpoint fares. An event tells its owner that it is disabled.
func settleEndpoint(ctx context.Context, tx pgx.Tx, r Result) (Disabled, error) {
	switch {
	case r.Apart && !r.OK:
		return "", nil
	case r.OK:
		_, err := tx.Exec(ctx, `
			UPDATE webhook_endpoints SET failing_since = NULL, failures = 0, rests_until = NULL
			WHERE id = $1 AND (failing_since IS NOT NULL OR failures > 0 OR rests_until IS NOT NULL)`, r.Endpoint)
		return "", err
	}
	var disabled Disabled
	err := tx.QueryRow(ctx, `
		WITH before AS (
			SELECT id, disabled_at, failures + CASE WHEN $2 THEN 1 ELSE 0 END AS failures FROM webhook_endpoints WHERE id = $1
		), noted AS (
			UPDATE webhook_endpoints e SET failing_since = coalesce(e.failing_since, now()), failures = least(b.failures, 1000),
				rests_until = CASE WHEN $2 THEN now() + make_interval(secs => greatest($3, least($4 * power(2, least(b.failures, 20) - 1), $5))) ELSE e.rests_until END,
				disabled_at = coalesce(e.disabled_at, CASE WHEN $6 OR e.failing_since <= now() - make_interval(secs => $7) THEN now() END),
				disabled_for = coalesce(e.disabled_for, CASE WHEN $6 THEN 'gone' WHEN e.failing_since <= now() - make_interval(secs => $7) THEN 'failing' END)
			FROM before b WHERE e.id = b.id
			RETURNING e.id, e.source, e.disabled_for, b.disabled_at IS NULL AND e.disabled_at IS NOT NULL AS newly
		), told AS (
			INSERT INTO new_events (type, source, account, data)
			SELECT 'webhook.disabled', source, '', jsonb_build_object('webhook', id, 'reason', disabled_for) FROM noted WHERE newly
		)
		SELECT CASE WHEN newly THEN disabled_for ELSE '' END FROM noted`,
		r.Endpoint, r.Trouble, pg.Seconds(r.Rest), pg.Seconds(restBase), pg.Seconds(restMax), r.Gone, pg.Seconds(DisableAfter)).Scan(&disabled)
	return disabled, err
}
