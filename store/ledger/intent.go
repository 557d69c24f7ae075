package ledger

import (
	"context"
	"errors"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reading is what WHOIS said of a job's domain.
type Reading struct {
	Job          uuid.UUID
	Availability record.Outcome // Available or Taken
	Status       string         // the upstream's word for it
}

// recordReadings keeps what a check said of domains of which an earlier paid call may have had an effect. A reading is as old
// as its question: a worker may have stood still before it writes the answer, while others have sent the domain.
//
//	$1 call, $2 jobs, $3 availabilities, $4 the upstream's words
const recordReadings = `
	INSERT INTO readings (job_id, call_id, availability, status, read_at)
	SELECT r.job, $1, r.availability, nullif(r.status, ''), k.started_at
	FROM unnest($2::uuid[], $3::text[], $4::text[]) AS r (job, availability, status)
	JOIN calls k ON k.id = $1
	ON CONFLICT DO NOTHING`

func readingArgs(call uuid.UUID, readings []Reading) []any {
	n := len(readings)
	jobs, said, statuses := make(pg.Uuids, n), make([]string, n), make([]string, n)
	for i, r := range readings {
		jobs[i], said[i], statuses[i] = pg.ToUUID(r.Job), string(r.Availability), record.Clip(r.Status)
	}
	return []any{call, jobs, said, statuses}
}

// recordBefore is a statement that records, of attempts that left doubt, what WHOIS said before their call: the last check
// under the claim found the domain available, or nothing would have been sent. attempts selects job, call and claim.
func recordBefore(attempts string) string {
	return recordBeforeHead + attempts + recordBeforeTail
}

const (
	recordBeforeHead = `
		INSERT INTO readings (job_id, call_id, availability, read_at)
		SELECT d.job_id, checked.id, 'available', checked.finished_at
		FROM (`
	recordBeforeTail = `) AS d (job_id, call_id, claim_id)
		JOIN calls paid ON paid.id = d.call_id
		CROSS JOIN LATERAL (
			SELECT k.id, k.finished_at FROM calls k
			WHERE k.claim_id = d.claim_id AND k.op = 'check' AND k.finished_at <= paid.started_at
			ORDER BY k.started_at DESC LIMIT 1
		) AS checked
		ON CONFLICT DO NOTHING`
	// evidenceBefore is recordBefore of the attempts of paid call @call under @claim that left doubt.
	evidenceBefore = recordBeforeHead + `SELECT r.id, @call::uuid, @claim::uuid FROM r WHERE r.attempt IN ('unknown', 'refused')` + recordBeforeTail
)

// Intent is the wish to pay for some jobs.
type Intent struct {
	Call    NewCall
	Jobs    []uuid.UUID
	Cleared []uuid.UUID // those of them whose unanswered attempts the readings should have cleared
	Proof   Proof       // by which Postgres judges that
	// DailyLimit is how many registrations of the account may be paid for on a day, in UTC; 0: as many as there are.
	DailyLimit int
}

// Intend commits the intent to pay and returns the jobs that may be sent: nothing else may. Those in over would be more than the
// day's: they are still running, and nothing is written of them. It re-checks the
// claim and renews its lease, so that the rescuer stays away until the call is over; reads the account's holds;
// resolves the unanswered attempts that readings clear; and opens one attempt per job. A job that is not running under
// the claim any more, or whose domain has another attempt that is unresolved or brought a success, is not among those returned. It
// fails with ErrFenced when the claim has ended, with ErrHeld when the account is on hold. After any other error the intent may or may not have been
// committed: send nothing, and settle the call as not sent.
func (s *Ledger) Intend(ctx context.Context, in Intent) (sent, over []uuid.UUID, err error) {
	err = s.db.InTx(ctx, "record intent", func(tx pgx.Tx) error {
		var (
			account string
			kind    record.Kind
		)
		err := tx.QueryRow(ctx, renewClaim+` RETURNING account, kind`,
			pgx.NamedArgs{"claim": in.Call.ClaimID, "lease": pg.Seconds(in.Call.Lease)}).Scan(&account, &kind)
		if errors.Is(err, pgx.ErrNoRows) {
			return pg.Untouched(ErrFenced)
		}
		if err != nil {
			return err
		}
		if err := holds.RefuseHeld(ctx, tx, account, kind, in.Call.Probe, in.DailyLimit > 0); err != nil {
			return err
		}
		if len(in.Cleared) > 0 {
			if _, err := tx.Exec(ctx, clearAttempts, clearArgs(in.Call.ClaimID, in.Cleared, in.Proof)...); err != nil {
				return err
			}
		}
		sent, over, err = openAttempts(ctx, tx, in, account)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return sent, over, nil
}

// clearAttempts resolves what jobs under a claim left unanswered, where WHOIS readings show that none of it had an effect. The
// database judges, by its own clock: the newest reading was made under this claim, it and enough others say available, each
// lies far enough behind the one before and behind the unanswered call's deadline, and none since says taken. What the
// registrar has accepted is never cleared.
const clearAttempts = `
	UPDATE attempts a SET state = 'cleared', resolved_at = now(), resolved_by = 'readings'
	FROM jobs j
	CROSS JOIN LATERAL (
		SELECT max(k.deadline) + make_interval(secs => @after) AS until, max(d.opened_at) AS opened, bool_or(d.accepted) AS accepted
		FROM attempts d JOIN calls k ON k.id = d.call_id
		WHERE d.domain = j.domain AND d.state IN ('open', 'unknown')
	) AS doubt
	CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE spaced) AS readings, bool_or(spaced AND newest AND claim_id = @claim) AS decided
		FROM (
			SELECT k.claim_id, row_number() OVER (ORDER BY r.read_at DESC, r.call_id DESC) = 1 AS newest,
				coalesce(r.read_at - lag(r.read_at) OVER (ORDER BY r.read_at, r.call_id) >= make_interval(secs => @every), true) AS spaced
			FROM readings r JOIN calls k ON k.id = r.call_id
			WHERE r.job_id = j.id AND r.availability = 'available' AND r.read_at >= doubt.until
		) AS available
	) AS proof
	WHERE j.id = ANY(@jobs) AND j.claim_id = @claim AND j.state = 'running' AND a.domain = j.domain AND a.state = 'unknown'
		AND NOT doubt.accepted AND proof.readings >= @checks AND proof.decided
		AND NOT EXISTS (SELECT FROM readings r WHERE r.job_id = j.id AND r.availability = 'taken' AND r.read_at > doubt.opened)`

func clearArgs(claim uuid.UUID, jobs []uuid.UUID, p Proof) []any {
	return []any{pgx.NamedArgs{
		"claim": claim, "jobs": pg.ToUUIDs(jobs, pg.AsIs), "after": pg.Seconds(p.After), "every": pg.Seconds(p.Every), "checks": p.Checks,
	}}
}

func openAttempts(ctx context.Context, tx pgx.Tx, in Intent, account string) (sent, over []uuid.UUID, err error) {
	_, err = tx.Exec(ctx, `
		INSERT INTO calls (id, claim_id, op, size, deadline)
		VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
		in.Call.ID, in.Call.ClaimID, in.Call.Op, len(in.Jobs), pg.Seconds(in.Call.Timeout))
	if err != nil {
		return nil, nil, err
	}
	if sent, err = openLive(ctx, tx, in); err != nil {
		return nil, nil, err
	}
	if in.DailyLimit > 0 && len(sent) > 0 {
		if sent, over, err = reserve(ctx, tx, in, account, sent); err != nil {
			return nil, nil, err
		}
	}
	if len(sent) == 0 {
		_, err = tx.Exec(ctx, `DELETE FROM calls WHERE id = $1`, in.Call.ID)
		return nil, over, err
	}
	if len(sent) < len(in.Jobs) {
		_, err = tx.Exec(ctx, `UPDATE calls SET size = $2 WHERE id = $1`, in.Call.ID, len(sent))
	}
	return sent, over, err
}

// openLive opens an attempt for each job that may be sent.
func openLive(ctx context.Context, tx pgx.Tx, in Intent) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `
		WITH live AS (
			SELECT id, domain FROM jobs
			WHERE id = ANY($2) AND claim_id = $3 AND state = 'running' AND NOT canceling
				AND NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = jobs.order_id)
				AND NOT EXISTS (SELECT FROM attempts a WHERE a.domain = jobs.domain AND a.state = 'registered')
			ORDER BY domain FOR NO KEY UPDATE
		)
		INSERT INTO attempts (call_id, job_id, domain) SELECT $1, id, domain FROM live
		ON CONFLICT (domain) WHERE state IN ('open', 'unknown') DO NOTHING
		RETURNING job_id`, in.Call.ID, pg.ToUUIDs(in.Jobs, pg.AsIs), in.Call.ClaimID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}
