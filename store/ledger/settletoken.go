package ledger

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TokenResult is what one call for a token brought: how its job goes on and, where it was issued, the token.
type TokenResult struct {
	Call       CallResult
	Transition Transition
	Sealed     []byte        // the token and its URLs; nil without success
	Age        time.Duration // how long ago the call was sent
	Life       time.Duration // from the sending on
}

// expired reports whether the token's time was over before it could be kept.
func (r TokenResult) expired() bool { return r.Sealed != nil && r.Age >= min(r.Life, record.TokenLife) }

// SettleTokens writes what some calls for tokens brought, under one claim: the jobs' transitions, the tokens, and the calls' rows. A
// token whose time is over already is not kept, and its job says so. Of two tokens for one job the one that was asked for later
// stays. It returns how many jobs changed. The claim is closed when none of its jobs runs any more.
func (s *Ledger) SettleTokens(ctx context.Context, claim uuid.UUID, results []TokenResult) (int, error) {
	c := newColumns(len(results))
	calls := make(pg.Uuids, len(results))
	statuses, durations, errors := make([]int32, len(results)), make([]int64, len(results)), make([]string, len(results))
	sealed, ages, lives := make([][]byte, len(results)), make([]float64, len(results)), make([]float64, len(results))
	for i, r := range results {
		t := r.Transition
		if r.expired() {
			t = Succeed(t.job, record.TokenExpired)
			r.Sealed = nil
		}
		c.add(t)
		calls[i], statuses[i], durations[i], errors[i] = pg.ToUUID(r.Call.ID), int32(r.Call.Status), r.Call.Duration.Milliseconds(), record.Clip(r.Call.Error)
		sealed[i], ages[i], lives[i] = r.Sealed, pg.Seconds(max(r.Age, 0)), pg.Seconds(min(r.Life, record.TokenLife))
	}
	var settled int
	var batch pgx.Batch
	batch.Queue(`SELECT FROM claims WHERE id = $1 FOR NO KEY UPDATE`, claim)
	args := pgx.NamedArgs{
		"claim": claim, "calls": calls, "statuses": statuses, "durations": durations, "errors": errors,
		"sealed": sealed, "ages": ages, "lives": lives,
	}
	c.put(args)
	batch.Queue(settleTokens, args).
		QueryRow(func(row pgx.Row) error { return row.Scan(&settled) })
	batch.Queue(closeDone, claim)
	return settled, pg.Failure("settle tokens", s.db.Pool.SendBatch(ctx, &batch).Close())
}

// settleTokens is the statement of SettleTokens.
const settleTokens = `
	WITH r AS (
		SELECT * FROM unnest(` + transitionArrays + `,
			@calls::uuid[], @statuses::integer[], @durations::bigint[], @errors::text[], @sealed::bytea[], @ages::float8[], @lives::float8[])
			AS r (` + transitionNames + `, call_id, status, duration, error, sealed, age, life)
	), settled AS (
		UPDATE jobs j SET ` + setJob + ` FROM r WHERE j.id = r.id AND ` + mayChange + `
		RETURNING j.id, j.order_id, r.sealed, now() - make_interval(secs => r.age) AS sent_at, r.life
	), kept AS (
		INSERT INTO tokens AS t (job_id, order_id, sealed, sent_at, expires_at)
		SELECT id, order_id, sealed, sent_at, sent_at + make_interval(secs => life) FROM settled WHERE sealed IS NOT NULL
		ON CONFLICT (job_id) DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at, expires_at = excluded.expires_at
			WHERE excluded.sent_at >= t.sent_at
	), finished AS (
		UPDATE calls c SET finished_at = now(), status = nullif(r.status, 0), duration_ms = r.duration, error = nullif(r.error, '')
		FROM r WHERE c.id = r.call_id
	)
	SELECT count(*) FROM settled`

// closeDone closes claim $1 when none of its jobs runs under it any more.
const closeDone = `
	UPDATE claims c SET closed_at = now() WHERE c.id = $1 AND c.closed_at IS NULL AND NOT EXISTS (
		SELECT FROM unnest(c.job_ids) AS member (id) JOIN jobs j ON j.id = member.id AND j.claim_id = $1 AND j.state = 'running')`
