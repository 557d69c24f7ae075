package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// History is what earlier paid calls left behind for a job's domain, by whatever job.
type History struct {
	Registered bool // one of them brought a success for this very job
	Ours       bool // one of them brought a success for another job, which had ended by then
	Unknown    bool // one has no answer
	Doubtful   bool // one went down with its whole call, or was cleared
	// Unsettled says that nothing has shown yet that all of them were without effect: one has no answer, or went down with
	// others in its call. Readings is how many times WHOIS has called the domain available since that could be told, and
	// Wait how long it still takes until it can.
	Unsettled bool
	Readings  int
	Wait      time.Duration
	Taken     bool // WHOIS has called it taken since: it does not matter what it says now
	// Refused says that the upstream refused this very job, alone, when it was last sent; Refusal is what it
	// said. The job ends so, once WHOIS has shown that none of its attempts had an effect.
	Refused bool
	Refusal string
	// Canceled says that an operator has canceled the job, and in which words. It ends so, unless it turns out to have been
	// registered.
	Canceled    bool
	CanceledHow string
}

// Clean says that the domain was never in a paid call that may have had an effect.
func (h History) Clean() bool { return !h.Registered && !h.Ours && !h.Unknown && !h.Doubtful }

// Proof is when WHOIS readings show that a paid call had no effect.
type Proof struct {
	After time.Duration // from when the call was over, or had to be: WHOIS lags behind a registration
	Every time.Duration // the least time between two readings that count
}

// Histories returns the histories of the jobs that run under a claim. Jobs whose domain was never sent are left out, but for
// canceled ones.
func (s *Store) Histories(ctx context.Context, claim uuid.UUID, proof Proof) (map[uuid.UUID]History, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id,
			coalesce(bool_or(a.state = 'registered' AND a.job_id = j.id), false),
			coalesce(bool_or(a.state = 'registered' AND a.job_id <> j.id), false),
			coalesce(bool_or(a.state IN ('open', 'unknown')), false),
			coalesce(bool_or(a.state IN ('refused', 'cleared')), false),
			doubt.until IS NOT NULL,
			(SELECT count(*) FROM (
				SELECT r.read_at - lag(r.read_at) OVER (ORDER BY r.read_at) AS gap FROM readings r
				WHERE r.job_id = j.id AND r.availability = 'available' AND r.read_at >= doubt.until) AS spaced
				WHERE gap IS NULL OR gap >= make_interval(secs => $3)),
			greatest(extract(epoch FROM doubt.until - now()), 0)::float8,
			EXISTS (SELECT FROM readings r WHERE r.job_id = j.id AND r.availability = 'taken'
				AND r.read_at > max(a.opened_at) FILTER (WHERE a.state IN ('open', 'unknown', 'refused', 'cleared'))),
			coalesce((array_agg(a.status_code IN (400, 404, 422) AND (a.state = 'failed' OR a.state = 'refused' AND call.size = 1)
				ORDER BY a.opened_at DESC) FILTER (WHERE a.job_id = j.id AND a.opened_at > life.began))[1], false),
			coalesce((array_agg(a.message ORDER BY a.opened_at DESC) FILTER (WHERE a.job_id = j.id AND a.opened_at > life.began))[1], ''),
			j.canceling, CASE WHEN j.canceling THEN (
				SELECT 'canceled by ' || o.operator || coalesce(': ' || o.reason, '') FROM operator_acts o
				WHERE o.job_id = j.id AND o.act = 'cancel' ORDER BY o.at DESC LIMIT 1) ELSE '' END
		FROM claims c
		CROSS JOIN unnest(c.job_ids) AS member (id)
		JOIN jobs j ON j.id = member.id AND j.claim_id = c.id AND j.state = 'running'
		CROSS JOIN LATERAL (
			-- What an operator gave another try is not refused for what it was refused for before.
			SELECT coalesce(max(o.at), '-infinity') AS began FROM operator_acts o WHERE o.job_id = j.id
		) AS life
		CROSS JOIN LATERAL (
			-- A refusal of the job alone, by the last call, says itself that there was no effect; WHOIS is only asked once more.
			SELECT max(CASE d.state WHEN 'refused' THEN coalesce(k.finished_at, k.deadline) ELSE k.deadline END)
				+ make_interval(secs => $2) AS until
			FROM attempts d JOIN calls k ON k.id = d.call_id
			WHERE d.domain = j.domain AND (d.state IN ('open', 'unknown') OR d.state = 'refused' AND (
				k.size = 1 AND d.status_code IN (400, 404, 422)
				AND d.opened_at = (SELECT max(own.opened_at) FROM attempts own WHERE own.job_id = j.id)) IS NOT TRUE)
		) AS doubt
		LEFT JOIN attempts a ON a.domain = j.domain
		LEFT JOIN calls call ON call.id = a.call_id
		WHERE c.id = $1
		GROUP BY j.id, doubt.until HAVING count(a.call_id) > 0 OR j.canceling`, claim, seconds(proof.After), seconds(proof.Every))
	if err != nil {
		return nil, failure("read histories", err)
	}
	histories := map[uuid.UUID]History{}
	var (
		id   uuid.UUID
		h    History
		wait *float64
	)
	_, err = pgx.ForEachRow(rows, []any{bytesOf(&id), &h.Registered, &h.Ours, &h.Unknown, &h.Doubtful, &h.Unsettled, &h.Readings, &wait, &h.Taken, &h.Refused, &h.Refusal, &h.Canceled, &h.CanceledHow}, func() error {
		h.Wait = 0
		if wait != nil {
			h.Wait = time.Duration(*wait * float64(time.Second))
		}
		histories[id] = h
		return nil
	})
	return histories, failure("read histories", err)
}

// Reading is what WHOIS said of a job's domain.
type Reading struct {
	Job          uuid.UUID
	Availability Outcome // Available or Taken
	Status       string  // the upstream's word for it
}

// RecordReadings keeps what a check said of domains of which an earlier paid call may have had an effect. A reading is as old
// as its question: a worker may have stood still before it writes the answer, while others have sent the domain.
func (s *Store) RecordReadings(ctx context.Context, call uuid.UUID, readings []Reading) error {
	n := len(readings)
	if n == 0 {
		return nil
	}
	jobs, said, statuses := make(uuids, n), make([]string, n), make([]string, n)
	for i, r := range readings {
		jobs[i], said[i], statuses[i] = toUUID(r.Job), string(r.Availability), clip(r.Status)
	}
	_, err := s.pool.Exec(ctx, `
		INSERT INTO readings (job_id, call_id, availability, status, read_at)
		SELECT r.job, $1, r.availability, nullif(r.status, ''), (SELECT started_at FROM calls WHERE id = $1)
		FROM unnest($2::uuid[], $3::text[], $4::text[]) AS r (job, availability, status)
		ON CONFLICT DO NOTHING`, call, jobs, said, statuses)
	return failure("record readings", err)
}

// recordBefore is a statement that records, of attempts that left doubt, what WHOIS said before their call: the last check
// under the claim found the domain available, or nothing would have been sent. attempts selects job, call and claim.
func recordBefore(attempts string) string {
	return `
		INSERT INTO readings (job_id, call_id, availability, read_at)
		SELECT d.job_id, checked.id, 'available', checked.finished_at
		FROM (` + attempts + `) AS d (job_id, call_id, claim_id)
		JOIN calls paid ON paid.id = d.call_id
		CROSS JOIN LATERAL (
			SELECT k.id, k.finished_at FROM calls k
			WHERE k.claim_id = d.claim_id AND k.op = 'check' AND k.finished_at <= paid.started_at
			ORDER BY k.started_at DESC LIMIT 1
		) AS checked
		ON CONFLICT DO NOTHING`
}

// Intent is the wish to pay for some jobs.
type Intent struct {
	Call    NewCall
	Jobs    []uuid.UUID
	Cleared []uuid.UUID // those of them whose unknown attempt the readings have cleared
}

// Intend commits the intent to pay and returns the jobs that may be sent: nothing else may. It re-checks the
// claim and renews its lease, so that the rescuer stays away until the call is over; reads the account's holds;
// resolves the unknown attempts that readings have cleared; and opens one attempt per job. A job that is not running under
// the claim any more, or whose domain has another attempt that is unresolved or brought a success, is not among those returned. It
// fails with ErrFenced when the claim has ended, with ErrHeld when the account is on hold. After any other error the intent may or may not have been
// committed: send nothing, and settle the call as not sent.
func (s *Store) Intend(ctx context.Context, in Intent) ([]uuid.UUID, error) {
	var sent []uuid.UUID
	err := s.inTx(ctx, "record intent", func(tx pgx.Tx) error {
		var (
			account string
			kind    Kind
		)
		err := tx.QueryRow(ctx, renewClaim+` RETURNING account, kind`, in.Call.ClaimID, seconds(in.Call.Lease)).Scan(&account, &kind)
		if errors.Is(err, pgx.ErrNoRows) {
			return &callbackError{ErrFenced}
		}
		if err != nil {
			return err
		}
		if err := refuseHeld(ctx, tx, account, kind, in.Call.Probe); err != nil {
			return err
		}
		if err := clearAttempts(ctx, tx, in.Call.ClaimID, in.Cleared); err != nil {
			return err
		}
		sent, err = openAttempts(ctx, tx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// Clear resolves the unknown attempts of jobs that end under a claim, after the readings have shown that none had an effect.
func (s *Store) Clear(ctx context.Context, claim uuid.UUID, jobs []uuid.UUID) error {
	return failure("clear attempts", clearAttempts(ctx, s.pool, claim, jobs))
}

// execer is a transaction, or the pool where none is needed.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func clearAttempts(ctx context.Context, db execer, claim uuid.UUID, jobs []uuid.UUID) error {
	if len(jobs) == 0 {
		return nil
	}
	_, err := db.Exec(ctx, `
		UPDATE attempts a SET state = 'cleared', resolved_at = now(), resolved_by = 'readings'
		FROM jobs j
		WHERE j.id = ANY($1) AND j.claim_id = $2 AND j.state = 'running' AND a.domain = j.domain AND a.state = 'unknown'`,
		toUUIDs(jobs, asIs), claim)
	return err
}

func openAttempts(ctx context.Context, tx pgx.Tx, in Intent) ([]uuid.UUID, error) {
	_, err := tx.Exec(ctx, `
		INSERT INTO calls (id, claim_id, op, size, deadline)
		VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
		in.Call.ID, in.Call.ClaimID, in.Call.Op, len(in.Jobs), seconds(in.Call.Timeout))
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		WITH live AS (
			SELECT id, domain FROM jobs
			WHERE id = ANY($2) AND claim_id = $3 AND state = 'running' AND NOT canceling
				AND NOT EXISTS (SELECT FROM attempts a WHERE a.domain = jobs.domain AND a.state = 'registered')
			ORDER BY domain FOR NO KEY UPDATE
		)
		INSERT INTO attempts (call_id, job_id, domain) SELECT $1, id, domain FROM live
		ON CONFLICT (domain) WHERE state IN ('open', 'unknown') DO NOTHING
		RETURNING job_id`, in.Call.ID, toUUIDs(in.Jobs, asIs), in.Call.ClaimID)
	if err != nil {
		return nil, err
	}
	sent, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	if len(sent) == 0 {
		_, err = tx.Exec(ctx, `DELETE FROM calls WHERE id = $1`, in.Call.ID)
		return nil, err
	}
	if len(sent) < len(in.Jobs) {
		_, err = tx.Exec(ctx, `UPDATE calls SET size = $2 WHERE id = $1`, in.Call.ID, len(sent))
	}
	return sent, err
}
