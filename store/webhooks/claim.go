package webhooks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

const (
	// atOnce is how many deliveries are under way to one endpoint at a time, over all workers. To one that fails it is one.
	atOnce = 8
	// MaxUnderWay is how many are under way for one source at a time, over all workers: half of what one worker can have.
	MaxUnderWay = 32
)

// Due is a delivery to be made now.
type Due struct {
	ID       int64
	Endpoint string
	Source   string
	URL      string
	Attempt  int      // this one: 1, 2 ...
	Secrets  [][]byte // sealed, the newest first
	Test     bool     // it is of no event
	Gone     bool     // its event is not kept any more
	EventID  int64
	Type     string
	At       time.Time // of what it tells
	Account  string
	Order    string    // its reference
	Job      uuid.UUID // zero where it is about more than a job
	Domain   string    // of the job
	Data     json.RawMessage
}

// Claim takes at most limit deliveries that are due, for a time. Who does not settle one within lease has lost it to another. At
// most eight are under way to an endpoint, to one that fails one, and MaxUnderWay for a source. Sources take turns. underWay is how many the
// caller has under way, by source: those of an endpoint that was removed are in no table.
func (w *Webhooks) Claim(ctx context.Context, sender uuid.UUID, limit int, lease time.Duration, underWay map[string]int) ([]Due, error) {
	sources, counts := make([]string, 0, len(underWay)), make([]int, 0, len(underWay))
	for source, n := range underWay {
		sources, counts = append(sources, source), append(counts, n)
	}
	rows, err := w.db.Pool.Query(ctx, claim, pg.ToUUID(sender), limit, pg.Seconds(lease), atOnce, MaxUnderWay, sources, counts)
	if err != nil {
		return nil, pg.Failure("claim deliveries", err)
	}
	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Due, error) {
		var d Due
		var at *time.Time
		err := row.Scan(&d.ID, &d.Endpoint, &d.Source, &d.URL, &d.Attempt, &d.Secrets, &d.Test, &d.Gone, &d.EventID, &d.Type, &at, &d.Account, &d.Order,
			pg.BytesOf(&d.Job), &d.Domain, &d.Data)
		d.At = orZero(at)
		return d, err
	})
	return due, pg.Failure("claim deliveries", err)
}

// A test goes out whether its endpoint rests or is disabled.
const claim = `
	WITH sought AS (
		SELECT e.*, under_way.n, greatest(sum(under_way.n) OVER (PARTITION BY e.source),
			(SELECT c.n FROM unnest($6::text[], $7::integer[]) AS c (source, n) WHERE c.source = e.source)) AS of_source
		FROM webhook_endpoints e CROSS JOIN LATERAL (
			SELECT count(*) AS n FROM webhook_deliveries u WHERE u.endpoint_id = e.id AND u.sender IS NOT NULL AND u.due_at > now()
		) AS under_way
	), lined AS (
		SELECT d.id, d.due_at, e.of_source + row_number() OVER (PARTITION BY e.source ORDER BY d.due_at, d.id) AS turn FROM sought e
		CROSS JOIN LATERAL (
			SELECT d.id, d.due_at FROM webhook_deliveries d
			WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.due_at <= now()
				AND (d.event_id IS NULL OR e.disabled_at IS NULL AND (e.rests_until IS NULL OR e.rests_until <= now()))
			ORDER BY d.due_at, d.id
			LIMIT greatest(0, CASE WHEN e.failures > 0 THEN 1 ELSE $4 END - e.n) FOR UPDATE SKIP LOCKED
		) AS d
	), ready AS (
		SELECT id FROM lined WHERE turn <= $5 ORDER BY turn, due_at, id LIMIT $2
	), taken AS (
		UPDATE webhook_deliveries d SET sender = $1, due_at = now() + make_interval(secs => $3), attempts = d.attempts + 1, tried_at = coalesce(d.tried_at, now())
		FROM ready WHERE d.id = ready.id
		RETURNING d.id, d.endpoint_id, d.event_id, d.attempts
	)
	SELECT t.id, e.id, e.source, e.url, t.attempts,
		ARRAY(SELECT s.sealed FROM webhook_secrets s WHERE s.endpoint_id = e.id AND (s.ends_at IS NULL OR s.ends_at > now()) ORDER BY s.n DESC),
		t.event_id IS NULL, t.event_id IS NOT NULL AND v.id IS NULL, coalesce(t.event_id, 0), coalesce(v.type, ''), v.at, coalesce(v.account, ''),
		coalesce(o.reference, ''), coalesce(v.job_id, '00000000-0000-0000-0000-000000000000'), coalesce(j.domain, ''), coalesce(v.data, '{}')
	FROM taken t JOIN webhook_endpoints e ON e.id = t.endpoint_id LEFT JOIN events v ON v.id = t.event_id
	LEFT JOIN orders o ON o.id = v.order_id LEFT JOIN jobs j ON j.id = v.job_id
	ORDER BY t.id`

// GiveBack lets go of deliveries that were claimed and not sent, as if nobody had been at them.
func (w *Webhooks) GiveBack(ctx context.Context, sender uuid.UUID, ids []int64) error {
	_, err := w.db.Pool.Exec(ctx, `
		UPDATE webhook_deliveries SET sender = NULL, due_at = now(), attempts = attempts - 1, tried_at = CASE WHEN attempts > 1 THEN tried_at END
		WHERE id = ANY($2) AND sender = $1 AND state = 'waiting'`, pg.ToUUID(sender), ids)
	return pg.Failure("give deliveries back", err)
}
