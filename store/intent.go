package store

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// History is what earlier paid calls left behind for a job's domain, by whatever job.
type History struct {
	Registered bool // one of them brought a success for this very job
	Unknown    bool // one has no answer
	Doubtful   bool // one went down with its whole call, or was cleared: probably without effect
	Readings   int  // times that WHOIS called the domain available since the unknown one
	// Refused says that the upstream refused this very job, alone, when it was last sent; Refusal is what it
	// said. The job ends so, once WHOIS has shown that none of its attempts had an effect.
	Refused bool
	Refusal string
}

// Clean says that the domain was never in a paid call that may have had an effect.
func (h History) Clean() bool { return !h.Registered && !h.Unknown && !h.Doubtful }

// Histories returns the histories of the jobs that run under a claim. Jobs whose domain was never sent are left out.
func (s *Store) Histories(ctx context.Context, claim uuid.UUID) (map[uuid.UUID]History, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT j.id,
			bool_or(a.state = 'registered' AND a.job_id = j.id),
			bool_or(a.state IN ('open', 'unknown')),
			bool_or(a.state IN ('refused', 'cleared')),
			(SELECT count(*) FROM readings r WHERE r.job_id = j.id AND r.availability = 'available'
				AND r.read_at > max(a.opened_at) FILTER (WHERE a.state IN ('open', 'unknown'))),
			coalesce((array_agg(a.status_code IN (400, 404, 422) AND (a.state = 'failed' OR a.state = 'refused' AND call.size = 1)
				ORDER BY a.opened_at DESC) FILTER (WHERE a.job_id = j.id AND a.opened_at > life.began))[1], false),
			coalesce((array_agg(a.message ORDER BY a.opened_at DESC) FILTER (WHERE a.job_id = j.id AND a.opened_at > life.began))[1], '')
		FROM claims c
		CROSS JOIN unnest(c.job_ids) AS member (id)
		JOIN jobs j ON j.id = member.id AND j.claim_id = c.id AND j.state = 'running'
		CROSS JOIN LATERAL (
			-- What an operator gave another try is not refused for what it was refused for before.
			SELECT coalesce(max(o.at), '-infinity') AS began FROM operator_acts o WHERE o.job_id = j.id
		) AS life
		JOIN attempts a ON a.domain = j.domain
		JOIN calls call ON call.id = a.call_id
		WHERE c.id = $1
		GROUP BY j.id`, claim)
	if err != nil {
		return nil, failure("read histories", err)
	}
	histories := map[uuid.UUID]History{}
	var (
		id uuid.UUID
		h  History
	)
	_, err = pgx.ForEachRow(rows, []any{bytesOf(&id), &h.Registered, &h.Unknown, &h.Doubtful, &h.Readings, &h.Refused, &h.Refusal}, func() error {
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

// RecordReadings keeps what a check said of domains whose paid call has no definite answer.
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
		INSERT INTO readings (job_id, call_id, availability, status)
		SELECT r.job, $1, r.availability, nullif(r.status, '')
		FROM unnest($2::uuid[], $3::text[], $4::text[]) AS r (job, availability, status)
		ON CONFLICT DO NOTHING`, call, jobs, said, statuses)
	return failure("record readings", err)
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
// the claim any more, or whose domain has another unresolved attempt, is not among those returned. It
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
		if err := clearAttempts(ctx, tx, in); err != nil {
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

func clearAttempts(ctx context.Context, tx pgx.Tx, in Intent) error {
	if len(in.Cleared) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		UPDATE attempts a SET state = 'cleared', resolved_at = now(), resolved_by = 'readings'
		FROM jobs j
		WHERE j.id = ANY($1) AND j.claim_id = $2 AND j.state = 'running' AND a.domain = j.domain AND a.state = 'unknown'`,
		toUUIDs(in.Cleared, asIs), in.Call.ClaimID)
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
			WHERE id = ANY($2) AND claim_id = $3 AND state = 'running'
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
	_, err = tx.Exec(ctx, `UPDATE calls SET size = $2 WHERE id = $1 AND size <> $2`, in.Call.ID, len(sent))
	return sent, err
}
