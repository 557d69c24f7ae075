package webhooks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Add keeps a new endpoint, which is told of what happens from now on. Where it wants an event for each job, these are written from
// now on. It fails with ErrTooMany or an *ExistsError.
func (w *Webhooks) Add(ctx context.Context, e NewEndpoint) error {
	return w.db.InTx(ctx, "add webhook", func(tx pgx.Tx) error {
		var (
			has   int
			equal string
		)
		// Whoever adds another one at the same time waits here.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || $1, 0))`, e.Source); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `
			SELECT count(*), coalesce(max(id) FILTER (WHERE url = $2), '') FROM webhook_endpoints WHERE source = $1`, e.Source, e.URL).Scan(&has, &equal); err != nil {
			return err
		}
		if equal != "" {
			return pg.Untouched(&ExistsError{equal})
		}
		if has >= MaxEndpoints {
			return pg.Untouched(ErrTooMany)
		}
		types := e.Types
		if types == nil {
			types = []string{}
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO webhook_endpoints (id, source, url, types, created_by, seen)
			SELECT $1, $2, $3, $4, $5, coalesce(max(id), 0) FROM events`, e.ID, e.Source, e.URL, types, e.By); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO job_event_sources (source) SELECT $1 WHERE 'job.finished' = ANY($2) ON CONFLICT DO NOTHING`, e.Source, types); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO webhook_secrets (endpoint_id, n, sealed, public_key) VALUES ($1, 1, $2, $3)`, e.ID, e.Sealed, e.PublicKey)
		return err
	})
}

const endpointColumns = `e.id, e.source, e.url, e.types, e.created_at, e.created_by, coalesce(e.failing_since, 'epoch'),
	CASE WHEN e.rests_until > now() THEN e.rests_until ELSE 'epoch' END, coalesce(e.disabled_at, 'epoch'), coalesce(e.disabled_for, ''),
	ARRAY(SELECT s.public_key FROM webhook_secrets s WHERE s.endpoint_id = e.id AND (s.ends_at IS NULL OR s.ends_at > now()) ORDER BY s.n DESC),
	(SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting'),
	(SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.skipped_at IS NOT NULL),
	(SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'failed')`

func scanEndpoint(row pgx.CollectableRow) (Endpoint, error) {
	var e Endpoint
	err := row.Scan(&e.ID, &e.Source, &e.URL, &e.Types, &e.CreatedAt, &e.CreatedBy, &e.FailingSince, &e.RestsUntil, &e.DisabledAt, &e.DisabledFor,
		&e.PublicKeys, &e.Waiting, &e.Skipped, &e.Failed)
	for _, at := range []*time.Time{&e.FailingSince, &e.RestsUntil, &e.DisabledAt} {
		if at.Equal(time.Unix(0, 0)) {
			*at = time.Time{}
		}
	}
	return e, err
}

// List lists the endpoints of a source or ("") of all, the oldest first.
func (w *Webhooks) List(ctx context.Context, source string) ([]Endpoint, error) {
	rows, err := w.db.Pool.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints e WHERE $1 = '' OR e.source = $1 ORDER BY e.source, e.created_at, e.id`, source)
	if err != nil {
		return nil, pg.Failure("list webhooks", err)
	}
	list, err := pgx.CollectRows(rows, scanEndpoint)
	return list, pg.Failure("list webhooks", err)
}

// Any reports whether there is an endpoint.
func (w *Webhooks) Any(ctx context.Context) (bool, error) {
	var any bool
	err := w.db.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM webhook_endpoints)`).Scan(&any)
	return any, pg.Failure("look for webhooks", err)
}

// Find finds an endpoint of a source or ("") of any, or fails with pg.ErrNotFound.
func (w *Webhooks) Find(ctx context.Context, source, id string) (Endpoint, error) {
	rows, err := w.db.Pool.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints e WHERE e.id = $2 AND ($1 = '' OR e.source = $1)`, source, id)
	if err != nil {
		return Endpoint{}, pg.Failure("find webhook", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEndpoint)
	return e, pg.Failure("find webhook", err)
}

// Disabled lists endpoints of all sources that are disabled, the oldest first, at most limit.
func (w *Webhooks) Disabled(ctx context.Context, limit int) ([]Endpoint, error) {
	rows, err := w.db.Pool.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints e WHERE e.disabled_at IS NOT NULL ORDER BY e.disabled_at, e.id LIMIT $1`, limit)
	if err != nil {
		return nil, pg.Failure("list disabled webhooks", err)
	}
	list, err := pgx.CollectRows(rows, scanEndpoint)
	return list, pg.Failure("list disabled webhooks", err)
}

// Rotate gives an endpoint a new secret. Those before it go on signing as well for a time. It fails with pg.ErrNotFound.
func (w *Webhooks) Rotate(ctx context.Context, id string, sealed, publicKey []byte, overlap time.Duration) error {
	return w.db.InTx(ctx, "rotate secret of webhook", func(tx pgx.Tx) error {
		var found string
		if err := tx.QueryRow(ctx, `SELECT id FROM webhook_endpoints WHERE id = $1 FOR UPDATE`, id).Scan(&found); err != nil {
			return err
		}
		// At most two sign beside the new one, however often somebody rotates.
		if _, err := tx.Exec(ctx, `
			DELETE FROM webhook_secrets s WHERE endpoint_id = $1
				AND (ends_at <= now() OR n < (SELECT max(n) - 1 FROM webhook_secrets WHERE endpoint_id = $1))`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE webhook_secrets SET ends_at = least(ends_at, now() + make_interval(secs => $2))
			WHERE endpoint_id = $1`, id, pg.Seconds(overlap)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO webhook_secrets (endpoint_id, n, sealed, public_key)
			SELECT $1, coalesce(max(n), 0) + 1, $2, $3 FROM webhook_secrets WHERE endpoint_id = $1`, id, sealed, publicKey)
		return err
	})
}

// Remove forgets an endpoint, and its deliveries. It fails with pg.ErrNotFound.
func (w *Webhooks) Remove(ctx context.Context, id string) error {
	return w.db.InTx(ctx, "remove webhook", func(tx pgx.Tx) error {
		var found string
		return tx.QueryRow(ctx, `DELETE FROM webhook_endpoints WHERE id = $1 RETURNING id`, id).Scan(&found)
	})
}
