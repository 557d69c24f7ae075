package operator

import (
	"context"
	"errors"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// actResult is what one statement found and did.
type actResult struct {
	counts  []Count
	claimed []string    // domains of SkipClaimed, the first of them
	moved   []uuid.UUID // jobs of SkipMoved
}

// obstacle is SQL that says why job j cannot be changed: a Skip, or ”. It is judged before anything is locked, and
// holds as long as the job's state and claim stay the same: only a claim leads to another attempt.
func (a Act) obstacle() string {
	switch a {
	case ConfirmRegistered, ConfirmNotRegistered:
		return `CASE
			WHEN j.state <> 'unconfirmed' THEN 'not_unconfirmed'
			WHEN EXISTS (SELECT FROM attempts a WHERE a.domain = j.domain AND a.state = 'open') THEN 'running'
			ELSE '' END`
	case Retry:
		return `CASE
			WHEN j.state IN ('succeeded', 'unconfirmed') AND j.outcome IS DISTINCT FROM 'expired' THEN j.state
			WHEN j.kind = 'token' AND j.person IS NULL THEN 'unusable'
			WHEN j.finished_at IS NULL THEN 'unfinished'
			WHEN j.domain LIKE '"%' OR j.kind = 'register' AND j.outcome = 'rejected' AND j.claim_id IS NULL
				AND j.holder_id IS NULL AND j.holder_key IS NULL THEN 'unusable'
			WHEN coalesce(j.holder_id, (SELECT h.upstream_id FROM holders h WHERE h.id = j.holder_key)) LIKE '` + purgedID + `%' THEN 'unusable'
			WHEN j.kind = 'register' AND EXISTS (SELECT FROM jobs live WHERE live.live_domain = j.domain) THEN 'claimed'
			ELSE '' END`
	case RetryNow:
		return `CASE
			WHEN j.finished_at IS NOT NULL THEN 'ended'
			WHEN j.state = 'unconfirmed' THEN j.state
			WHEN j.state <> 'retrying' OR j.wake_at <= now() THEN 'not_waiting'
			WHEN j.kind = 'register' AND EXISTS (SELECT FROM attempts a WHERE a.domain = j.domain AND a.state IN ('open', 'unknown'))
				THEN 'unanswered'
			ELSE '' END`
	default:
		return `CASE
			WHEN j.finished_at IS NOT NULL THEN 'ended'
			WHEN j.canceling THEN 'canceling'
			WHEN j.state = 'unconfirmed' OR j.state = 'running' AND j.kind <> 'register' THEN j.state
			ELSE '' END`
	}
}

// change is what the act makes of a job's row.
func (a Act) change() string {
	switch a {
	case ConfirmRegistered:
		return `state = 'succeeded', outcome = 'registered', last_error = NULL, finished_at = now(), canceling = false`
	case Cancel:
		// What waits only because of a refusal may be looked into at once; a call without an answer keeps its time.
		return `canceling = ` + later + `,
			state = CASE WHEN ` + later + ` THEN j.state ELSE 'canceled' END,
			finished_at = CASE WHEN ` + later + ` THEN NULL ELSE now() END,
			wake_at = CASE WHEN NOT ` + later + ` THEN NULL
				WHEN j.state = 'retrying' AND NOT EXISTS (SELECT FROM attempts a WHERE a.job_id = j.id AND a.state IN ('open', 'unknown'))
				THEN now() ELSE j.wake_at END,
			last_error = @text || CASE WHEN ` + later + ` THEN '; WHOIS must show first that no call had an effect' ELSE '' END`
	case RetryNow:
		return `wake_at = now()`
	default:
		// A new life. What still lies in Redis is stale by the epoch, and what an old claim has to say, but for a
		// success, by the claim.
		return `state = 'queued', outcome = NULL, last_error = NULL, finished_at = NULL, attempts = 0, wake_at = now(),
			epoch = j.epoch + 1, claim_id = NULL`
	}
}

// resolve is the part of the statement that resolves earlier attempts on the domains of changed jobs, by whatever job.
func (a Act) resolve() string {
	const resolved = `, resolved AS (
		UPDATE attempts a SET resolved_at = now(), resolved_by = @operator, state = `
	switch a {
	case ConfirmRegistered:
		return resolved + `'registered' WHERE a.domain = ANY(ARRAY(SELECT domain FROM mine)) AND a.state = 'unknown')`
	case ConfirmNotRegistered:
		return resolved + `'disowned'
			WHERE a.domain = ANY(ARRAY(SELECT domain FROM mine)) AND (a.state IN ('unknown', 'refused', 'cleared')
				OR a.state = 'registered' AND a.job_id <> ALL(ARRAY(SELECT id FROM mine))))`
	default:
		return ""
	}
}

// later says of job j that it may have been sent, so that a cancel cannot end it at once.
const later = `(j.kind = 'register' AND (j.state = 'running' OR EXISTS (
	SELECT FROM attempts a WHERE a.job_id = j.id AND a.state IN ('open', 'unknown', 'refused', 'cleared'))))`

// judged reads the jobs of a page and judges each. A domain has one live registration: of several jobs that could have
// it, the first gets it, and one that was only ever a duplicate comes last.
func (r Request) judged(p page) string {
	where := `j.order_id = @order AND j.seq BETWEEN @first AND @last`
	if p.order == 0 {
		where = `j.id = ANY(@ids)`
	}
	return `
		SELECT id, kind, state, outcome, domain, claim_id, last_error, later, CASE
			WHEN obstacle = '' AND kind = 'register' AND row_number() OVER
				(PARTITION BY domain, kind, obstacle ORDER BY outcome = 'duplicate', order_id, seq) > 1 THEN 'claimed'
			ELSE obstacle END AS skip
		FROM (
			SELECT j.id, j.order_id, j.seq, j.kind, j.state, coalesce(j.outcome, '') AS outcome, j.domain, j.claim_id, j.last_error,
				` + later + ` AS later, ` + r.Act.obstacle() + ` AS obstacle
			FROM jobs j
			WHERE ` + where + ` AND (@state = '' OR j.state = @state) AND (@outcome = '' OR j.outcome = @outcome)
		) AS standing`
}

// counted sums judged jobs up.
const counted = `
	SELECT kind, state, outcome, skip, count(*), count(*) FILTER (WHERE later),
		coalesce((array_agg(domain ORDER BY domain) FILTER (WHERE skip = 'claimed'))[1:@shown], '{}'),
		coalesce(array_agg(id) FILTER (WHERE skip = 'moved'), '{}')`

const countedGroups = ` GROUP BY kind, state, outcome, skip ORDER BY kind, state, outcome, skip`

func (r Request) args(p page) pgx.NamedArgs {
	text := "canceled by " + r.Operator
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return pgx.NamedArgs{
		"order": p.order, "first": p.first, "last": p.last, "ids": p.ids,
		"state": string(r.State), "outcome": string(r.Outcome), "shown": shownClaimed,
		"act": r.Act, "operator": r.Operator, "reason": r.Reason, "text": record.Clip(text),
	}
}

// judge counts a page.
func (s *Operator) judge(ctx context.Context, r Request, p page) (actResult, error) {
	rows, err := s.db.Pool.Query(ctx, counted+` FROM (`+r.judged(p)+`) AS judged`+countedGroups, r.args(p))
	if err != nil {
		return actResult{}, pg.Failure("plan act", err)
	}
	res, err := readAct(rows)
	return res, pg.Failure("plan act", err)
}

// clashes is how often a page is tried again after another transaction was quicker.
const clashes = 5

// act changes a page. Two things make it clash with others, and both are over at once: a domain that a job takes
// between the judging and the change, and a deadlock, which Postgres breaks.
func (s *Operator) act(ctx context.Context, r Request, p page, skipLocked bool) (actResult, error) {
	for try := 1; ; try++ {
		res, err := s.actOnce(ctx, r, p, skipLocked)
		if err == nil || try == clashes || !isClash(err) {
			return res, pg.Failure(string(r.Act), err)
		}
	}
}

func isClash(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "23505" && pg.ConstraintName == "jobs_live_domain")
}

// actOnce judges a page, locks what may be changed, and changes all that it has locked. It is written so that no plan can
// read a table for each row of another: Postgres may believe that a table is empty while a large order comes in.
func (s *Operator) actOnce(ctx context.Context, r Request, p page, skipLocked bool) (res actResult, err error) {
	lock := `FOR NO KEY UPDATE`
	if skipLocked {
		lock += ` SKIP LOCKED`
	}
	err = pgx.BeginFunc(ctx, s.db.Pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			WITH judged AS MATERIALIZED (`+r.judged(p)+`), mine AS MATERIALIZED (
				SELECT g.* FROM judged g CROSS JOIN LATERAL (
					SELECT FROM jobs j
					WHERE j.id = g.id AND j.state = g.state AND j.claim_id IS NOT DISTINCT FROM g.claim_id
					`+lock+`
				) AS locked
				WHERE g.skip = ''
			), changed AS (
				UPDATE jobs j SET `+r.Act.change()+` WHERE j.id = ANY(ARRAY(SELECT id FROM mine))
			), recorded AS (
				INSERT INTO operator_acts (job_id, act, operator, reason, state_before, outcome_before, error_before)
				SELECT id, @act, @operator, nullif(@reason, ''), state, nullif(outcome, ''), last_error FROM mine
			)`+r.Act.resolve()+counted+` FROM (
				SELECT kind, state, outcome, later, domain, id,
					CASE WHEN skip = '' AND id NOT IN (SELECT id FROM mine) THEN 'moved' ELSE skip END AS skip
				FROM judged
			) AS seen`+countedGroups, r.args(p))
		if err != nil {
			return err
		}
		res, err = readAct(rows)
		return err
	})
	if err != nil {
		return actResult{}, err // rolled back
	}
	s.wake(res, r.Act)
	return res, nil
}

// wake tells the dispatchers of jobs that are due now.
func (s *Operator) wake(res actResult, a Act) {
	if a != Retry && a != RetryNow && a != ConfirmNotRegistered {
		return
	}
	for _, c := range res.counts {
		if c.Skip == "" {
			s.db.Wake(c.Kind)
		}
	}
}

func readAct(rows pgx.Rows) (actResult, error) {
	var (
		res     actResult
		c       Count
		claimed []string
		moved   []uuid.UUID
	)
	_, err := pgx.ForEachRow(rows, []any{&c.Kind, &c.State, &c.Outcome, &c.Skip, &c.Jobs, &c.Later, &claimed, &moved}, func() error {
		res.counts = append(res.counts, c)
		res.claimed = append(res.claimed, claimed...)
		res.moved = append(res.moved, moved...)
		return nil
	})
	return res, err
}

// dropIdleChunks removes chunks none of whose jobs wait for them any more: a dispatcher that has to pass over a
// canceled order's empty chunks would be late for the orders behind it.
func (s *Operator) dropIdleChunks(ctx context.Context, orders []record.Order) error {
	for _, o := range orders {
		// OFFSET 0 keeps the planner from turning the question into a join, see actOnce.
		_, err := s.db.Pool.Exec(ctx, `
			WITH idle AS (
				SELECT t.first_seq FROM chunks t
				WHERE t.order_id = $1 AND NOT EXISTS (`+record.JobsOfChunk+` OFFSET 0)
				FOR UPDATE SKIP LOCKED
			)
			DELETE FROM chunks WHERE order_id = $1 AND first_seq = ANY(ARRAY(SELECT first_seq FROM idle))`, o.ID)
		if err != nil {
			return pg.Failure("drop chunks of canceled jobs", err)
		}
	}
	return nil
}
