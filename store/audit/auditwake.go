package audit

import (
	"context"
	"maps"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// auditWaking checks that somebody wakes every job that is not final: the claim that it runs under, by its lease; the
// chunk that covers it; its own wake_at; or, for a held one, the account's prober.
//
// A job whose time has come may still wait in line behind others. It does while the line moves: while work for its kind
// and account was claimed within the grace, or is under way. The longest overdue go first, so that such a job gets 60 times the
// grace. And a hold that stops its kind makes it wait, too. A fresh chunk waits for room, for however long.
func auditWaking() auditCheck {
	const line = `1 + 59 * (m.account IS NOT NULL)::integer`
	const (
		workers = "See that workers run, that they know the account, and that they work on this kind. If they run and it stays so, restart them."
		lost    = "Nothing will wake it, which must never happen: keep a copy of the database and report it. In psql, this wakes it, " +
			"and it pays for nothing twice: UPDATE jobs SET state = 'retrying', wake_at = now() WHERE id = 'JOB'."
	)
	return auditCheck{
		invariant: "I2",
		rule:      "no job that is not final is overdue, unless held or unconfirmed",
		find: `
			WITH moving AS (
				SELECT kind, account FROM claims
				WHERE taken_at > now() - make_interval(secs => @grace) OR closed_at IS NULL AND lease_until > now()
				GROUP BY kind, account
			), covered AS (
				SELECT order_id, generate_series(first_seq, last_seq) AS seq, wake_at FROM chunks
			), idle AS (` + idleHeld + `), judged AS (
				SELECT j.id AS job_id, j.domain, j.order_id, j.seq, j.claim_id, coalesce(c.lease_until, k.wake_at, j.wake_at) AS at,
					CASE
					WHEN j.state = 'running' THEN CASE
						WHEN c.id IS NULL THEN 'no claim'
						WHEN c.closed_at IS NOT NULL THEN 'closed claim'
						WHEN c.lease_until < now() - make_interval(secs => @grace) THEN 'lease' END
					WHEN j.state = 'held' THEN CASE WHEN i.account IS NOT NULL AND NOT ` + paused + ` THEN 'held' END
					WHEN j.wake_at IS NOT NULL THEN CASE
						WHEN j.wake_at < now() - make_interval(secs => @grace * (` + line + `))
							AND NOT EXISTS (SELECT FROM holds h WHERE ` + covers + `) AND NOT ` + paused + ` THEN 'due' END
					WHEN j.state <> 'queued' OR k.order_id IS NULL THEN 'nobody'
					WHEN k.wake_at < now() - make_interval(secs => @grace) THEN 'chunk' END AS code
				FROM jobs j
				LEFT JOIN claims c ON c.id = j.claim_id AND j.state = 'running'
				LEFT JOIN covered k ON k.order_id = j.order_id AND k.seq = j.seq AND j.state = 'queued' AND j.wake_at IS NULL
				LEFT JOIN moving m ON m.kind = j.kind AND m.account = j.account
				LEFT JOIN idle i ON i.account = j.held_account AND i.kind = j.kind AND i.canceling = j.canceling
				WHERE j.finished_at IS NULL AND j.state <> 'unconfirmed'
			)
			SELECT code, job_id, domain, order_id, seq, ` + utc("at") + ` AS a, claim_id::text AS b FROM judged WHERE code IS NOT NULL`,
		sorts: map[string]breachSort{
			"no claim":     {"The job runs under the claim $b, which is not on record.", lost},
			"closed claim": {"The job runs under the claim $b, which has ended.", lost},
			"lease":        {"The job runs under a claim whose lease passed at $a, and nobody has taken it back.", workers},
			"held": {"The job is held, and no hold on its account stops it any more, nor is its order paused.",
				"See that a worker runs that knows the account: it wakes the jobs of lifted holds."},
			"due":    {"The job should have been delivered at $a.", workers},
			"chunk":  {"The job was delivered and not claimed by $a, and nobody has delivered it again.", workers},
			"nobody": {"The job waits without a time to wake at, and no chunk covers it.", lost},
		},
	}
}

// covers says of hold h that it stops job j. To a registration that was canceled only a check is left, which a hold on
// registrations lets through.
const covers = `h.account = j.account AND (h.scope = 'all' OR h.scope = j.kind AND NOT j.canceling)`

// paused says that an operator has paused the order of job j.
const paused = `EXISTS (SELECT FROM order_holds oh WHERE oh.order_id = j.order_id)`

// heldLots are the lots of held jobs that no hold stops any more, and how many each has.
const heldLots = `
	SELECT j.held_account AS account, j.kind, j.canceling, count(*) AS jobs FROM jobs j
	WHERE j.held_account IS NOT NULL AND NOT EXISTS (SELECT FROM holds h WHERE ` + covers + `) AND NOT ` + paused + `
	GROUP BY j.held_account, j.kind, j.canceling`

// idleHeld are those of heldLots that an audit has watched, and that have not become fewer since.
const idleHeld = `
	SELECT n.account, n.kind, n.canceling FROM (` + heldLots + `) AS n
	WHERE @grace = 0 OR EXISTS (
		SELECT FROM unnest(@held_accounts::text[], @held_kinds::text[], @held_canceling::boolean[], @held_jobs::bigint[])
			AS b (account, kind, canceling, jobs)
		WHERE b.account = n.account AND b.kind = n.kind AND b.canceling = n.canceling AND b.jobs <= n.jobs)`

const (
	// heldWatch is how long an audit watches held jobs that no hold stops, at most: the prober looks each second.
	heldWatch = 5 * time.Second
	heldLook  = 200 * time.Millisecond
)

// heldLot are the held jobs of an account and kind; those that were canceled are a lot of their own.
type heldLot struct {
	account   string
	kind      record.Kind
	canceling bool
}

// watchHeld reads heldLots and, where there are any, watches whether a prober wakes them. It returns those that
// nobody woke within the grace, with how many jobs they had at first. No row tells when a hold was lifted, so that only time can tell
// whether jobs are being woken or were forgotten.
func (s *Auditor) watchHeld(ctx context.Context, grace time.Duration) (map[heldLot]int64, error) {
	if grace <= 0 {
		return nil, nil
	}
	idle, err := s.heldLots(ctx)
	if err != nil {
		return nil, err
	}
	end := time.NewTimer(min(grace, heldWatch))
	defer end.Stop()
	look := time.NewTicker(heldLook)
	defer look.Stop()
	for len(idle) > 0 {
		select {
		case <-end.C:
			return idle, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
		now, err := s.heldLots(ctx)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(idle, func(l heldLot, jobs int64) bool { return now[l] < jobs })
	}
	return idle, nil
}

func (s *Auditor) heldLots(ctx context.Context) (map[heldLot]int64, error) {
	rows, err := s.db.Pool.Query(ctx, heldLots)
	if err != nil {
		return nil, err
	}
	lots := map[heldLot]int64{}
	var (
		l    heldLot
		jobs int64
	)
	_, err = pgx.ForEachRow(rows, []any{&l.account, &l.kind, &l.canceling, &jobs}, func() error {
		lots[l] = jobs
		return nil
	})
	return lots, err
}

// heldArgs are the lots as columns, for idleHeld.
func heldArgs(lots map[heldLot]int64) pgx.NamedArgs {
	var (
		accounts, kinds []string
		canceling       []bool
		jobs            []int64
	)
	for l, n := range lots {
		accounts, kinds = append(accounts, l.account), append(kinds, string(l.kind))
		canceling, jobs = append(canceling, l.canceling), append(jobs, n)
	}
	return pgx.NamedArgs{"held_accounts": accounts, "held_kinds": kinds, "held_canceling": canceling, "held_jobs": jobs}
}
