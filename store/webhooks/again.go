package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// again makes deliveries new: they have all attempts before them, are due at once, and nobody waits for them.
const again = `state = 'waiting', finished_at = NULL, sender = NULL, due_at = now(), attempts = 0, tried_at = NULL, skipped_at = now()`

// Test makes a delivery of no event, which is tried once, and returns its id. It fails with pg.ErrNotFound.
func (w *Webhooks) Test(ctx context.Context, endpoint string) (id int64, err error) {
	err = w.db.InTx(ctx, "test webhook", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, endpoint); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			INSERT INTO webhook_deliveries (endpoint_id, line, due_at, skipped_at) VALUES ($1, '', now(), now()) RETURNING id`, endpoint).Scan(&id)
	})
	if err == nil {
		w.db.Tell(pg.EventChannel, "")
	}
	return id, err
}

// Replay sends a delivery again, whatever came of it, beside the line that it was in. One that is under way is left to whoever is at
// it. It fails with pg.ErrNotFound.
func (w *Webhooks) Replay(ctx context.Context, endpoint string, id int64) error {
	err := w.db.InTx(ctx, "replay delivery", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, endpoint); err != nil {
			return err
		}
		var underWay bool
		err := tx.QueryRow(ctx, `
			SELECT sender IS NOT NULL AND due_at > now() FROM webhook_deliveries WHERE endpoint_id = $1 AND id = $2 FOR UPDATE`, endpoint, id).Scan(&underWay)
		if err != nil || underWay {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET `+again+` WHERE id = $1`, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, startNext, id)
		return err
	})
	if err == nil {
		w.db.Tell(pg.EventChannel, "")
	}
	return err
}

// untaken are deliveries, d, that an endpoint has refused, and that nobody is at.
const untaken = `(d.state = 'failed' OR d.state = 'waiting' AND d.attempts > 0 AND (d.sender IS NULL OR d.due_at <= now()))`

// Recovery is what recovering an endpoint sends again, or would.
type Recovery struct {
	Again   int  // deliveries that were refused, skipped or given up
	Missed  int  // events for which there was no delivery, because the endpoint was disabled
	Enabled bool // it was disabled, and is no more
}

// Recover sends again what an endpoint has not taken since a time: what was refused, and what happened while it was
// disabled, which it is no more then. What was delivered is not sent again. With dry nothing changes. It fails with pg.ErrNotFound.
func (w *Webhooks) Recover(ctx context.Context, endpoint string, since time.Time, dry bool) (Recovery, error) {
	var r Recovery
	err := w.db.InLongTx(ctx, "recover webhook", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, endpoint); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			SELECT e.disabled_at IS NOT NULL,
				(SELECT count(*) FROM webhook_deliveries d LEFT JOIN events v ON v.id = d.event_id
					WHERE d.endpoint_id = e.id AND d.event_id IS NOT NULL AND v.at >= $2 AND `+untaken+`),
				(SELECT count(*) FROM events v WHERE e.disabled_at IS NOT NULL AND v.id > e.seen AND v.at >= $2 AND (v.source = e.source OR v.source IS NULL)
					AND (v.type = ANY(e.types) OR e.types = '{}' AND v.type <> 'job.finished'))
			FROM webhook_endpoints e WHERE e.id = $1`, endpoint, since).Scan(&r.Enabled, &r.Again, &r.Missed)
		if err != nil || dry {
			return err
		}
		return recoverNow(ctx, tx, endpoint, since)
	})
	if err != nil {
		return Recovery{}, err
	}
	if !dry {
		w.db.Tell(pg.EventChannel, "")
	}
	return r, nil
}

func recoverNow(ctx context.Context, tx pgx.Tx, endpoint string, since time.Time) error {
	for _, statement := range []string{
		// They go back into their lines, so that those of an order come one after the other, as at first.
		`UPDATE webhook_deliveries d SET state = 'waiting', finished_at = NULL, sender = NULL, due_at = NULL, attempts = 0, tried_at = NULL, skipped_at = NULL
			FROM events v WHERE v.id = d.event_id AND d.endpoint_id = $1 AND v.at >= $2 AND ` + untaken,
		// What is older than it was asked for is passed over, and what is younger comes from the log.
		`UPDATE webhook_endpoints e SET failing_since = NULL, failures = 0, rests_until = NULL, disabled_at = NULL, disabled_for = NULL,
			seen = CASE WHEN e.disabled_at IS NULL THEN e.seen ELSE greatest(e.seen, coalesce(
				(SELECT min(v.id) - 1 FROM events v WHERE v.id > e.seen AND v.at >= $2), (SELECT max(id) FROM events), 0)) END
			WHERE e.id = $1`,
	} {
		if _, err := tx.Exec(ctx, statement, endpoint, since); err != nil {
			return err
		}
	}
	for _, statement := range []string{waitInLine, startLines} {
		if _, err := tx.Exec(ctx, statement, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// waitInLine makes deliveries of an endpoint, $1, wait that nobody is at, and before which there is another one of their line.
const waitInLine = `
	UPDATE webhook_deliveries d SET due_at = NULL, sender = NULL
	WHERE d.endpoint_id = $1 AND d.state = 'waiting' AND d.skipped_at IS NULL AND d.due_at IS NOT NULL AND (d.sender IS NULL OR d.due_at <= now())
		AND EXISTS (
			SELECT FROM webhook_deliveries p
			WHERE p.endpoint_id = d.endpoint_id AND p.line = d.line AND p.state = 'waiting' AND p.skipped_at IS NULL AND p.id < d.id)`
