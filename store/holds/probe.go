package holds

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Probe is the permission to make one call for an account on hold.
type Probe struct {
	ID      uuid.UUID
	Account string
	Reason  Reason
	Scope   Scope // of the hold
	// Status and Words are what the upstream said when the hold was laid, or when it was last asked: the same again means
	// that nothing has changed.
	Status int
	Words  string
	Kind   record.Kind
	Job    record.DeliveredJob
	// Again says that the job was refused in the hold's words before: there was no other to try.
	Again bool
	kinds []record.Kind // of jobs that it may be made with
}

// probeGrowth is by how much the time between two probes grows with each.
const probeGrowth = 1.5

// TakeProbe takes the probe of an account whose time has come, with the job to make it with: the one that waits longest.
// It returns false when no probe is due or no job of these kinds waits. In the whole fleet only one gets it, and the
// next is due after an interval that grows to ceiling.
func (s *Holds) TakeProbe(ctx context.Context, account string, kinds []record.Kind, ceiling, redeliver time.Duration) (Probe, bool, error) {
	p := Probe{ID: uuid.New(), Account: account, kinds: kinds}
	var taken bool
	err := s.db.InTx(ctx, "take probe", func(tx pgx.Tx) error {
		due, err := dueHolds(ctx, tx, account)
		if err != nil {
			return err
		}
		if taken, err = takeFirstProbe(ctx, tx, &p, due, redeliver); err != nil || !taken {
			return err
		}
		// Every hold of the account lets this one call through: a second one would forbid it otherwise.
		_, err = tx.Exec(ctx, `
			UPDATE holds SET probe_id = $2, probes = probes + 1, next_probe_at = now() + probe_every,
				probe_every = greatest(probe_every, least(probe_every * $3, make_interval(secs => $4)))
			WHERE account = $1 AND next_probe_at IS NOT NULL`, account, p.ID, probeGrowth, pg.Seconds(ceiling))
		return err
	})
	if err != nil || !taken {
		return Probe{}, false, err
	}
	return p, true, nil
}

type dueHold struct {
	Reason Reason
	Scope  Scope
	Status int
	Words  string
	At     time.Time // of the next probe
	Due    bool
}

// dueHolds returns an account's holds whose probe is due, the longest overdue first. When there is one, it locks all holds of
// the account, always in the same order: a probe changes them all, and two workers that each had locked one would
// wait for each other.
func dueHolds(ctx context.Context, tx pgx.Tx, account string) ([]dueHold, error) {
	rows, err := tx.Query(ctx, `
		SELECT reason, scope, coalesce(status, 0) AS status, words, next_probe_at AS at, next_probe_at <= now() AS due FROM holds
		WHERE account = $1 AND next_probe_at IS NOT NULL AND EXISTS (SELECT FROM holds WHERE account = $1 AND next_probe_at <= now())
		ORDER BY reason FOR UPDATE`, account)
	if err != nil {
		return nil, err
	}
	holds, err := pgx.CollectRows(rows, pgx.RowToStructByName[dueHold])
	if err != nil {
		return nil, err
	}
	holds = slices.DeleteFunc(holds, func(h dueHold) bool { return !h.Due })
	slices.SortFunc(holds, func(a, b dueHold) int { return a.At.Compare(b.At) })
	return holds, nil
}

// takeFirstProbe takes the probe of the first hold for which a job waits: one that nobody waits for must not keep the others.
func takeFirstProbe(ctx context.Context, tx pgx.Tx, p *Probe, due []dueHold, redeliver time.Duration) (bool, error) {
	for _, h := range due {
		p.Reason, p.Scope, p.Status, p.Words = h.Reason, h.Scope, h.Status, h.Words
		if taken, err := takeProbeJob(ctx, tx, p, redeliver); err != nil || taken {
			return taken, err
		}
	}
	return false, nil
}

// NextProbeJob gives a probe another job, when the last one ended before there was anything to call for.
func (s *Holds) NextProbeJob(ctx context.Context, p *Probe, redeliver time.Duration) (bool, error) {
	var taken bool
	err := s.db.InTx(ctx, "take job for probe", func(tx pgx.Tx) error {
		var account string
		err := tx.QueryRow(ctx, `SELECT account FROM holds WHERE account = $1 AND probe_id = $2 AND reason = $3 FOR UPDATE`,
			p.Account, p.ID, p.Reason).Scan(&account)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			taken, err = takeProbeJob(ctx, tx, p, redeliver)
		}
		return err
	})
	return taken && err == nil, err
}

// stoppedKinds are those of the kinds that a probe may be made with that its hold stops, and that no hold stops which has no
// probes: one that only a person lifts, or that of a daily limit.
const stoppedKinds = `unnest($2::text[]) AS k (kind)
	JOIN holds h ON h.account = $1 AND h.reason = $3 AND (h.scope = 'all' OR h.scope = k.kind)
		AND NOT EXISTS (SELECT FROM holds o WHERE o.account = $1 AND o.next_probe_at IS NULL AND (o.scope = 'all' OR o.scope = k.kind))`

// heldJob chooses the held job that waits longest, of those that a condition names. All that a canceled registration may
// still ask for is a check, which proves only a hold on everything; under another one it is not held for long.
func heldJob(which string) string {
	return `
	SELECT waiting.id FROM ` + stoppedKinds + ` CROSS JOIN LATERAL (
		SELECT j.id, j.created_at, j.seq FROM jobs j
		WHERE j.held_account = $1 AND j.kind = k.kind AND (h.scope = 'all' OR NOT j.canceling) AND ` + NotPaused + ` AND ` + which + `
		ORDER BY j.held_account, j.kind, j.created_at, j.seq LIMIT 1 FOR UPDATE SKIP LOCKED
	) AS waiting
	ORDER BY waiting.created_at, waiting.seq LIMIT 1`
}

// Which held job is tried: one that was not refused in the hold's words; else those that were, by turns.
const (
	notRefused  = `j.last_error IS DISTINCT FROM h.words AND ` + behindLast
	behindLast  = `(j.created_at, j.seq) > (coalesce(h.probed_created_at, '-infinity'), coalesce(h.probed_seq, 0))`
	fromTheHead = `true`
)

// freshChunks are the first chunks of each lane that were never delivered.
const freshChunks = stoppedKinds + ` CROSS JOIN unnest(ARRAY['plain', 'bulk']) AS l (lane) CROSS JOIN LATERAL (
		SELECT order_id, first_seq, last_seq FROM chunks
		WHERE kind = k.kind AND lane = l.lane AND account = $1 AND wake_at IS NULL
			AND NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = chunks.order_id)
		ORDER BY order_id, first_seq LIMIT 100`

// freshJob chooses a job that was never delivered. The condition is said again of j: it may have changed until j is locked.
const freshJob = `
	SELECT j.id FROM ` + freshChunks + `
	) AS t CROSS JOIN LATERAL (` + record.JobsOfChunk + ` LIMIT 1) AS waiting
	JOIN jobs j ON j.id = waiting.id AND j.state = 'queued' AND j.wake_at IS NULL
	LIMIT 1 FOR UPDATE OF j SKIP LOCKED`

// idleRounds bounds how often one look drops a hundred idle chunks of each lane.
const idleRounds = 10

// takeProbeJob prefers a held job that was not refused in the hold's words, then one that was never delivered: a hold may be
// older than all jobs that wait for it. Only when there is neither are those that were refused tried again, by turns.
func takeProbeJob(ctx context.Context, tx pgx.Tx, p *Probe, redeliver time.Duration) (bool, error) {
	if taken, err := takeChosen(ctx, tx, p, heldJob(notRefused), redeliver); err != nil || taken {
		return taken, err
	}
	if taken, err := takeFreshJob(ctx, tx, p, redeliver); err != nil || taken {
		return taken, err
	}
	if taken, err := takeChosen(ctx, tx, p, heldJob(behindLast), redeliver); err != nil || taken {
		return taken, err
	}
	return takeChosen(ctx, tx, p, heldJob(fromTheHead), redeliver)
}

// takeFreshJob takes a job that was never delivered. Chunks none of whose jobs wait, as of an order of duplicates, stand in
// its way while no dispatcher takes them; they go, so that they are read once and not with every look.
func takeFreshJob(ctx context.Context, tx pgx.Tx, p *Probe, redeliver time.Duration) (bool, error) {
	for range idleRounds {
		if taken, err := takeChosen(ctx, tx, p, freshJob, redeliver); err != nil || taken {
			return taken, err
		}
		// OFFSET 0 keeps the planner from turning the question into a join.
		tag, err := tx.Exec(ctx, `
			WITH idle AS (
				SELECT t.order_id, t.first_seq FROM `+freshChunks+` FOR UPDATE SKIP LOCKED
				) AS t
				WHERE NOT EXISTS (`+record.JobsOfChunk+` OFFSET 0)
			)
			DELETE FROM chunks c USING idle WHERE c.order_id = idle.order_id AND c.first_seq = idle.first_seq`,
			p.Account, p.kinds, p.Reason)
		if err != nil || tag.RowsAffected() == 0 {
			return false, err
		}
	}
	return false, nil
}

// takeChosen takes the job that a query chooses, remembers its place, and forgives it a refusal in the hold's words: it is
// to be sent.
func takeChosen(ctx context.Context, tx pgx.Tx, p *Probe, choose string, redeliver time.Duration) (bool, error) {
	err := tx.QueryRow(ctx, `
		WITH chosen AS (`+choose+`), taken AS (
			UPDATE jobs j SET state = 'queued', epoch = j.epoch + 1, wake_at = now() + make_interval(secs => $4)
			FROM chosen WHERE j.id = chosen.id
			RETURNING j.id, j.domain, j.epoch, j.kind, j.created_at, j.seq, j.last_error
		), place AS (
			UPDATE holds h SET probed_created_at = t.created_at, probed_seq = t.seq
			FROM taken t WHERE h.account = $1 AND h.reason = $3
		), forgiven AS (
			UPDATE attempts a SET status_code = NULL FROM taken t
			WHERE a.job_id = t.id AND a.state IN ('refused', 'failed') AND t.last_error = $5
		)
		SELECT id, domain, epoch, kind, coalesce(last_error = $5, false) FROM taken`,
		p.Account, p.kinds, p.Reason, pg.Seconds(redeliver), p.Words).
		Scan(pg.BytesOf(&p.Job.ID), &p.Job.Domain, &p.Job.Epoch, &p.Kind, &p.Again)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
