package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrFenced says that a claim is no longer good: its lease has passed, or it was closed. Whoever holds it
// must not start a call with it.
var ErrFenced = errors.New("the claim has ended")

// Claim is the licence to call for some jobs until its lease ends. Its ID is chosen by who claims, so that a
// claim whose confirmation got lost can still be named.
type Claim struct {
	ID      uuid.UUID
	Kind    record.Kind
	Account string
	Worker  string // host and process, for people
	Lease   time.Duration
}

// ClaimedJob is what a worker needs to know to carry a job out.
type ClaimedJob struct {
	ID           uuid.UUID
	OrderID      int64
	Domain       string
	HolderID     string // "" while a holder that came with its details is not ready
	HolderKey    int64  // of a holder that came with its details; 0: the order gave an id
	PeriodMonths int
	Nameservers  []string
	AllowStatus  []string // words of a WHOIS status that do not bar the registration
	Attempts     int      // this one included
}

// Claim claims those of the delivered jobs that still wait under the epoch they were delivered with, and
// returns them. The others were claimed, delivered anew or canceled meanwhile, or are not of what the delivery says: they
// are none of the caller's business. Those of an order that was paused meanwhile are held. A job that was delivered twice, under an
// older epoch or by somebody who only knows its id, is claimed all the same: one right delivery is enough.
func (s *Ledger) Claim(ctx context.Context, c Claim, jobs []record.DeliveredJob) ([]ClaimedJob, error) {
	claimed := make([]ClaimedJob, 0, len(jobs))
	var batch pgx.Batch
	// A claim that a crash of Postgres forgets is no licence any more, and its jobs still wait. An intent to pay waits for the disk,
	// and with it whatever was committed before, its claim too. So this commit need not wait.
	batch.Queue(withoutTheDisk)
	batch.Queue(inOrderOfIDs)
	batch.Queue(`
		WITH taken AS (
			UPDATE jobs j SET
				state = CASE WHEN `+notStopped+` THEN 'running' ELSE 'held' END,
				claim_id = CASE WHEN `+notStopped+` THEN $8::uuid END,
				attempts = j.attempts + CASE WHEN `+notStopped+` THEN 1 ELSE 0 END,
				wake_at = NULL
			WHERE j.id = ANY($1) AND j.state = 'queued' AND j.kind = $9 AND j.account = $10 AND (
				j.epoch = ($2::integer[])[array_position($1::uuid[], j.id)] AND `+record.BindsTo("($3::integer[])[array_position($1::uuid[], j.id)]", 4)+` OR (
				SELECT bool_or(j.epoch = ($2::integer[])[w.place] AND `+record.BindsTo("($3::integer[])[w.place]", 4)+`)
				FROM unnest(array_positions($1::uuid[], j.id)) AS w (place)))
			RETURNING j.state, j.id, j.order_id, j.domain, coalesce(j.holder_key, 0) AS holder_key,
				coalesce(j.holder_id, (SELECT h.upstream_id FROM holders h WHERE h.id = j.holder_key), '') AS holder_id,
				coalesce(j.period_months, 0) AS period_months, j.nameservers, j.allow_status, j.attempts
		), claimed AS (
			INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until)
			SELECT $8, $9, $10, $11, array_agg(id), array_agg(DISTINCT order_id), now() + make_interval(secs => $12)
			FROM taken WHERE state = 'running' HAVING count(*) > 0
		)
		SELECT id, order_id, domain, holder_id, holder_key, period_months, nameservers, allow_status, attempts
		FROM taken WHERE state = 'running'`,
		append(delivery.Columns(jobs), c.ID, c.Kind, c.Account, c.Worker, pg.Seconds(c.Lease))...).Query(func(rows pgx.Rows) error {
		var j ClaimedJob
		columns := []any{pg.BytesOf(&j.ID), &j.OrderID, &j.Domain, &j.HolderID, &j.HolderKey, &j.PeriodMonths, &j.Nameservers, &j.AllowStatus, &j.Attempts}
		_, err := pgx.ForEachRow(rows, columns, func() error {
			claimed = append(claimed, j)
			j.Nameservers, j.AllowStatus = nil, nil
			return nil
		})
		return err
	})
	err := s.db.Pool.SendBatch(ctx, &batch).Close()
	return claimed, pg.Failure("claim jobs", err)
}

// notStopped is said of jobs j whose order nobody has paused. Mostly nobody has paused any, which is looked up once.
const notStopped = `((SELECT NOT EXISTS (SELECT FROM order_holds)) OR ` + holds.NotPaused + `)`

// withoutTheDisk has the commit of the transaction not wait for the disk.
const withoutTheDisk = `SELECT set_config('synchronous_commit', 'off', true)`

// inOrderOfIDs has the statements of the transaction that look for rows by an array of ids go through the index of the ids, and
// so lock the rows in the order of their ids. What else is about the same jobs locks in this order too, so that no two statements
// wait for each other in a circle. An UPDATE that locks its rows first, to be sure of the order, writes each of them twice.
const inOrderOfIDs = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`

// NewCall is a call about to be made.
type NewCall struct {
	ID      uuid.UUID
	ClaimID uuid.UUID
	Op      record.Op
	Holder  int64         // key of the one that an OpHolder call is about; 0 for all others
	Size    int           // jobs in it
	Jobs    []uuid.UUID   // those in it, where they are not all of the claim's
	Timeout time.Duration // from now to its deadline
	Lease   time.Duration // to which the claim is renewed; longer than Timeout
	Probe   uuid.UUID     // of the hold that this call may pass; zero for all others
}

// StartCall records a call that costs nothing, and renews the claim's lease so that it outlasts the call. It
// fails with ErrFenced when the claim has ended, and with ErrHeld when a hold forbids it. A hold on registrations does not
// forbid the WHOIS check before one.
func (s *Ledger) StartCall(ctx context.Context, c NewCall) error {
	var started, held bool
	var batch pgx.Batch
	// Nothing is lost with this commit but the trace of a call that costs nothing, so it need not wait for the disk. A slot of
	// the upstream waits for it.
	batch.Queue(withoutTheDisk)
	batch.Queue(`
		WITH hold AS (
			SELECT FROM claims c JOIN holds h ON h.account = c.account
			WHERE c.id = @claim AND (h.scope = 'all' OR h.scope = c.kind AND @op <> 'check')
			AND (@probe::uuid IS NULL OR h.probe_id IS DISTINCT FROM @probe) LIMIT 1
		), `+claimFor(c.Op)+`, call AS (
			INSERT INTO calls (id, claim_id, op, size, deadline, holder_key, job_ids)
			SELECT @call, claim.id, @op, @size, now() + make_interval(secs => @timeout), @holder, @jobs FROM claim
			RETURNING id
		)
		SELECT EXISTS (SELECT FROM call), EXISTS (SELECT FROM hold)`,
		pgx.NamedArgs{
			"claim": c.ClaimID, "lease": pg.Seconds(c.Lease), "call": c.ID, "op": c.Op, "size": c.Size, "timeout": pg.Seconds(c.Timeout),
			"probe": record.OrNull(c.Probe), "holder": record.OrNull(c.Holder), "jobs": c.someJobs(),
		}).
		QueryRow(func(row pgx.Row) error { return row.Scan(&started, &held) })
	err := s.db.Pool.SendBatch(ctx, &batch).Close()
	switch {
	case err != nil:
		return pg.Failure("start call", err)
	case held:
		return holds.ErrHeld
	case !started:
		return ErrFenced
	}
	return nil
}

// claimFor is the part of StartCall that finds the claim good and renews it. Many calls for tokens are made under one claim, side
// by side, and each would wait for the row that another renews, or a settling: they write only where less than the whole lease
// but a few seconds is left. Nobody takes a claim away whose lease has not ended.
func claimFor(op record.Op) string {
	const good = renewClaim + ` AND NOT EXISTS (SELECT FROM hold)`
	if op != record.OpToken {
		return `claim AS (` + good + ` RETURNING id)`
	}
	return `kept AS (
			SELECT id FROM claims WHERE id = @claim AND closed_at IS NULL AND NOT EXISTS (SELECT FROM hold)
			AND lease_until > now() + make_interval(secs => (@timeout::float8 + @lease::float8) / 2)
		), renewed AS (` + good + ` AND NOT EXISTS (SELECT FROM kept) RETURNING id), claim AS (TABLE kept UNION ALL TABLE renewed)`
}

func (c NewCall) someJobs() pg.Uuids {
	if c.Jobs == nil {
		return nil
	}
	return pg.ToUUIDs(c.Jobs, pg.AsIs)
}

// renewClaim renews @claim for @lease seconds, if it is still good. Renewing is a write on purpose: the rescuer, which
// may be looking at the same row, then sees that it has changed. IS TRUE keeps the planner from the index on leases, where
// every claim ever closed leaves an entry until the next vacuum.
const renewClaim = `
	UPDATE claims SET lease_until = greatest(lease_until, now() + make_interval(secs => @lease))
	WHERE id = @claim AND closed_at IS NULL AND (lease_until > now()) IS TRUE`

// Expired counts what ExpireClaims found.
type Expired struct {
	Claims  int
	Jobs    int // taken back, to be delivered again
	Unknown int // of these, sent in a paid call that nobody knows the outcome of
}

// ExpireClaims closes at most limit claims whose lease has passed, and takes their jobs back. A job with an open
// attempt was perhaps paid for: the attempt becomes unknown and the job waits for reconcileAfter from the
// call's deadline. The others are due at once. What was claimed and never asked for, such as a registration that only
// waited for a slot behind slow calls, has not used up an attempt.
func (s *Ledger) ExpireClaims(ctx context.Context, limit int, reconcileAfter time.Duration) (Expired, error) {
	var e Expired
	err := s.db.InTx(ctx, "expire claims", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			WITH expired AS (
				SELECT id FROM claims WHERE closed_at IS NULL AND lease_until <= now()
				ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
			)
			UPDATE claims c SET closed_at = now() FROM expired WHERE c.id = expired.id RETURNING c.id`, limit)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 0 {
			return err
		}
		e.Claims = len(ids)
		// A statement of its own: it sees every attempt of a claim that is now locked and closed.
		return tx.QueryRow(ctx, `
			WITH lost AS (
				UPDATE attempts a SET state = 'unknown'
				FROM calls c WHERE c.id = a.call_id AND c.claim_id = ANY($1) AND a.state = 'open'
				RETURNING a.job_id, a.call_id, c.claim_id, c.deadline
			), evidence AS (`+recordBefore("SELECT l.job_id, l.call_id, l.claim_id FROM lost l")+`), ended AS (
				UPDATE calls SET finished_at = now(), error = $3
				WHERE claim_id = ANY($1) AND finished_at IS NULL
			), back AS (
				UPDATE jobs j SET
					state = CASE WHEN l.job_id IS NULL THEN 'queued' ELSE 'retrying' END,
					wake_at = CASE WHEN l.job_id IS NULL THEN now() ELSE l.deadline + make_interval(secs => $2) END,
					attempts = j.attempts - CASE WHEN j.attempts > 0 AND NOT EXISTS (
						SELECT FROM calls k WHERE k.claim_id = c.id AND (j.kind <> 'register' OR EXISTS (
							SELECT FROM attempts a WHERE a.call_id = k.id AND a.job_id = j.id))
					) THEN 1 ELSE 0 END,
					last_error = $3
				FROM claims c, unnest(c.job_ids) AS member (id) LEFT JOIN lost l ON l.job_id = member.id
				WHERE c.id = ANY($1) AND j.id = member.id AND j.claim_id = c.id AND j.state = 'running'
				RETURNING j.id
			)
			SELECT (SELECT count(*) FROM back), (SELECT count(*) FROM lost)`,
			ids, pg.Seconds(reconcileAfter), "the worker that held this job went away").Scan(&e.Jobs, &e.Unknown)
	})
	return e, err
}
