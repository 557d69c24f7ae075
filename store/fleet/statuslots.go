package fleet

import "time"

// lotPart is one way in which jobs of a kind and account can be in progress.
type lotPart struct {
	// sql selects kind, account, how many jobs (up to $1), when the oldest order that was found came, and when the first may go. It
	// steps from lot to lot in an index and reads no more of each than it counts.
	sql string
	add func(l *PipelineStatus, n int, due *time.Time)
}

func lotParts() []lotPart {
	return []lotPart{
		{runningLots, func(l *PipelineStatus, n int, _ *time.Time) { l.Running += n; l.Moving = l.Moving || n > 0 }},
		{deliveredLots, func(l *PipelineStatus, n int, _ *time.Time) { l.Queued += n }},
		{freshLots, func(l *PipelineStatus, n int, _ *time.Time) { l.Queued = min(l.Queued+n, StatusMost+1) }},
		{waitingLots, func(l *PipelineStatus, n int, due *time.Time) {
			l.Waiting = min(l.Waiting+n, StatusMost+1)
			if due != nil {
				l.Due = earlier(l.Due, *due)
			}
		}},
		{heldLotsOfStatus, func(l *PipelineStatus, n int, _ *time.Time) { l.Held += n }},
	}
}

// runningLots are the jobs that run under an open claim: no more claims than there are calls. A claim whose jobs were settled
// by paid calls stays open until its lease ends, so that the jobs are looked at.
const runningLots = `
	SELECT c.kind, c.account, sum(runs.n),
		min(coalesce((SELECT min(o.created_at) FROM orders o WHERE o.id = ANY(c.order_ids)), c.taken_at)), NULL::timestamptz
	FROM (SELECT id, kind, account, job_ids, order_ids, taken_at FROM claims
		WHERE closed_at IS NULL AND lease_until > now() ORDER BY lease_until LIMIT $1) AS c
	CROSS JOIN LATERAL (SELECT count(*) AS n FROM jobs j
		WHERE j.id = ANY(c.job_ids) AND j.claim_id = c.id AND j.state = 'running') AS runs
	WHERE runs.n > 0
	GROUP BY c.kind, c.account`

// deliveredLots are the chunks that lie in Redis or in a worker. A chunk stays for a while after its jobs have gone on, so that
// only those delivered last and those whose time comes first are looked into.
const deliveredLots = `
	SELECT c.kind, c.account, sum(c.n), min(o.created_at), NULL::timestamptz
	FROM (
		SELECT d.kind, d.account, d.order_id, sum(waits.n) AS n FROM (
			(SELECT * FROM chunks WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT least($1, 100))
			UNION
			(SELECT * FROM chunks WHERE wake_at IS NOT NULL ORDER BY wake_at DESC LIMIT least($1, 100))
		) AS d CROSS JOIN LATERAL (SELECT count(*) AS n FROM jobs j WHERE j.order_id = d.order_id AND j.seq BETWEEN d.first_seq AND d.last_seq
			AND j.state = 'queued' AND j.wake_at IS NULL) AS waits
		WHERE waits.n > 0 GROUP BY d.kind, d.account, d.order_id
	) AS c JOIN orders o ON o.id = c.order_id
	GROUP BY c.kind, c.account`

// eachFreshLot and eachWaitingLot walk over the kinds, lanes and accounts that have chunks which were never delivered, or jobs with a
// time of their own, as lot: a look into an index for each, and none at what lies between.
const (
	eachFreshLot = `lot AS (
		(SELECT kind, lane, account FROM chunks WHERE wake_at IS NULL ORDER BY kind, lane, account LIMIT 1)
		UNION ALL
		SELECT next.* FROM lot CROSS JOIN LATERAL (
			SELECT c.kind, c.lane, c.account FROM chunks c
			WHERE c.wake_at IS NULL AND (c.kind, c.lane, c.account) > (lot.kind, lot.lane, lot.account)
			ORDER BY c.kind, c.lane, c.account LIMIT 1
		) AS next
	)`
	eachWaitingLot = `lot AS (
		(SELECT kind, lane, account FROM jobs WHERE wake_at IS NOT NULL ORDER BY kind, lane, account LIMIT 1)
		UNION ALL
		SELECT next.* FROM lot CROSS JOIN LATERAL (
			SELECT j.kind, j.lane, j.account FROM jobs j
			WHERE j.wake_at IS NOT NULL AND (j.kind, j.lane, j.account) > (lot.kind, lot.lane, lot.account)
			ORDER BY j.kind, j.lane, j.account LIMIT 1
		) AS next
	)`
)

// freshLots are the chunks that were never delivered. Each is counted as a whole: a canceled order's chunks go soon.
const freshLots = `
	WITH RECURSIVE ` + eachFreshLot + `
	SELECT lot.kind, lot.account, (
			SELECT least(sum(last_seq - first_seq + 1), $1) FROM (
				SELECT first_seq, last_seq FROM chunks c
				WHERE c.kind = lot.kind AND c.lane = lot.lane AND c.account = lot.account AND c.wake_at IS NULL LIMIT $1) AS counted),
		(SELECT o.created_at FROM chunks c JOIN orders o ON o.id = c.order_id
			WHERE c.kind = lot.kind AND c.lane = lot.lane AND c.account = lot.account AND c.wake_at IS NULL
			ORDER BY c.kind, c.lane, c.account, c.order_id LIMIT 1), NULL::timestamptz
	FROM lot`

// waitingLots are the jobs with a time of their own.
const waitingLots = `
	WITH RECURSIVE ` + eachWaitingLot + `
	SELECT lot.kind, lot.account, (
			SELECT count(*) FROM (SELECT FROM jobs j
				WHERE j.kind = lot.kind AND j.lane = lot.lane AND j.account = lot.account AND j.wake_at IS NOT NULL LIMIT $1) AS counted),
		first.created_at, first.wake_at
	FROM lot CROSS JOIN LATERAL (
		SELECT j.created_at, j.wake_at FROM jobs j
		WHERE j.kind = lot.kind AND j.lane = lot.lane AND j.account = lot.account AND j.wake_at IS NOT NULL
		ORDER BY j.kind, j.lane, j.account, j.wake_at LIMIT 1
	) AS first`

// heldLotsOfStatus are the jobs that wait for a hold, or for their order to be resumed.
const heldLotsOfStatus = `
	WITH RECURSIVE lot AS (
		(SELECT held_account, kind FROM jobs WHERE held_account IS NOT NULL ORDER BY held_account, kind LIMIT 1)
		UNION ALL
		SELECT next.* FROM lot CROSS JOIN LATERAL (
			SELECT j.held_account, j.kind FROM jobs j
			WHERE j.held_account IS NOT NULL AND (j.held_account, j.kind) > (lot.held_account, lot.kind)
			ORDER BY j.held_account, j.kind LIMIT 1
		) AS next
	)
	SELECT lot.kind, lot.held_account, (
			SELECT count(*) FROM (SELECT FROM jobs j
				WHERE j.held_account = lot.held_account AND j.kind = lot.kind LIMIT $1) AS counted),
		(SELECT j.created_at FROM jobs j WHERE j.held_account = lot.held_account AND j.kind = lot.kind
			ORDER BY j.held_account, j.kind, j.created_at LIMIT 1), NULL::timestamptz
	FROM lot`
