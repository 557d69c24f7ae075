package audit

// auditOrders checks that an accepted order has exactly its jobs, whole orders and those that grow with a producer's chunks alike:
// as many as were counted when they came in, at the places 1 to that number, and each of its own kind, account and lane, and with the
// id that is made of it. Its counts by state then add up to its total.
func auditOrders() auditCheck {
	const advice = "Rows were added or removed past bulkreg: find out by whom, and compare with a backup. " +
		"Nothing here does that."
	return auditCheck{
		invariant: "I1",
		rule:      "accepted orders have exactly their jobs, each with the id that is made of its order, source and domain",
		before:    findMisnamed,
		find: `
			WITH counted AS (
				SELECT order_id, count(*) AS jobs, max(seq) AS last FROM jobs GROUP BY order_id
			)
			SELECT CASE WHEN o.id IS NULL THEN 'orphans' WHEN o.total IS DISTINCT FROM coalesce(n.jobs, 0) THEN 'total'
					WHEN o.total = 0 THEN 'empty' ELSE 'places' END AS code, NULL::uuid AS job_id, '' AS domain,
				coalesce(o.id, n.order_id) AS order_id, 0 AS seq, coalesce(n.jobs, 0)::text AS a, coalesce(o.total, n.order_id)::text AS b
			FROM orders o FULL JOIN counted n ON n.order_id = o.id
			WHERE o.pruned_at IS NULL AND (o.total IS DISTINCT FROM coalesce(n.jobs, 0) OR o.total = 0 OR n.last <> n.jobs)
			UNION ALL
			SELECT 'foreign', j.id, j.domain, j.order_id, j.seq, j.kind || ' of account ' || j.account, o.kind || ' of account ' || o.account
			FROM jobs j JOIN orders o ON o.id = j.order_id
			WHERE (j.kind, j.account, j.lane) <> (o.kind, o.account, o.lane)
			UNION ALL
			SELECT 'misnamed', j.id, j.domain, j.order_id, j.seq, '', '' FROM unnest(@misnamed::uuid[]) AS m (id) JOIN jobs j ON j.id = m.id
			UNION ALL ` + miskept,
		sorts: map[string]breachSort{
			"total":   {"The order has $a jobs, and was accepted with $b.", advice},
			"orphans": {"There are $a jobs of an order with the number $b, which does not exist.", advice},
			"places":  {"The order has $a jobs, and their places in it go further.", advice},
			"foreign": {"The job is for $a, and its order for $b.", advice},
			"misnamed": {"The job's id is not the one that is made of its order, its source and its domain: one of them was changed.",
				"Rows were changed past bulkreg: pause the orders, find out by whom, and compare with a backup, and with what " +
					"the sources ordered. Nothing here changes an order's source, a job's order or a domain."},
			"kept": {"$a are counted for the order, and $b are kept.", "Rows were changed past the triggers that keep the counts: find out by whom, " +
				"then have them counted anew in psql with SELECT recount_orders(). Workers wait meanwhile. No job is lost by it."},
			"empty": {"The order was accepted, and has no job.", "An earlier version passed over a producer's jobs whose ids it knew " +
				"already, and nothing was called for them: have the producer enqueue them again."},
		},
	}
}

// miskept are orders whose counts, as readers find them, are not those of their jobs and calls.
const miskept = `
			SELECT 'kept', NULL, '', order_id, 0, sum(counted)::text || ' ' || name, sum(kept)::text FROM (
				SELECT order_id, state || coalesce(' ' || outcome, '') AS name, count(*) AS counted, 0 AS kept FROM jobs
				WHERE state <> 'queued' GROUP BY order_id, state, outcome
				UNION ALL
				SELECT o.id, 'calls', count(*), 0 FROM calls k JOIN claims c ON c.id = k.claim_id CROSS JOIN unnest(c.order_ids) AS o (id) GROUP BY o.id
				UNION ALL
				SELECT order_id, state || CASE outcome WHEN '' THEN '' ELSE ' ' || outcome END, 0, n FROM order_counts
				UNION ALL
				SELECT order_id, state || CASE outcome WHEN '' THEN '' ELSE ' ' || outcome END, 0, n FROM order_changes
			) AS both_ways WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = order_id AND o.pruned_at IS NOT NULL)
			GROUP BY order_id, name HAVING sum(counted) <> sum(kept)`

// auditLateSuccesses checks that what the registrar sold us is known to be ours. A success may come after its job has ended, from
// a worker that slept through everything else; the end of a job is final, and only a person may change it.
func auditLateSuccesses() auditCheck {
	return auditCheck{
		invariant: "I6",
		rule:      "what the registrar has reported as registered is registered or unconfirmed here",
		find: `
			SELECT 'late' AS code, j.id AS job_id, j.domain, j.order_id, j.seq, ` + utc("a.resolved_at") + ` AS a,
				coalesce(j.outcome, j.state) AS b
			FROM attempts a JOIN jobs j ON j.id = a.job_id
			WHERE a.state = 'registered' AND j.finished_at IS NOT NULL AND j.outcome IS DISTINCT FROM 'registered'
			AND NOT EXISTS (SELECT FROM jobs known WHERE known.domain = a.domain AND known.kind = 'register'
				AND (known.outcome = 'registered' OR known.state = 'unconfirmed'))`,
		sorts: map[string]breachSort{
			"late": {"The registrar's success arrived at $a, when the job had ended as $b: the domain is ours, and was paid for.",
				"Retry the job: it ends as registered, without being sent again. What keeps a job from that is another " +
					"live one for the domain: cancel it first."},
		},
	}
}

// auditProofs checks that every job that was registered, or issued a token, can show why.
func auditProofs() auditCheck {
	return auditCheck{
		invariant: "I7",
		rule:      "registered implies a stored success reply for the job, or an operator's word; issued implies a token that is kept",
		find: `
			SELECT 'unproven' AS code, j.id AS job_id, j.domain, j.order_id, j.seq, ` + utc("j.finished_at") + ` AS a, NULL AS b FROM jobs j
			WHERE j.outcome = 'registered'
			AND NOT EXISTS (SELECT FROM attempts a WHERE a.job_id = j.id AND a.state = 'registered' AND a.resolved_by = 'reply')
			AND NOT EXISTS (SELECT FROM operator_acts o WHERE o.job_id = j.id AND o.act = 'confirm registered')
			UNION ALL ` + unprovenTokens(),
		sorts: map[string]breachSort{
			"unproven": {"The job ended as registered at $a, with no success reply on record and no operator who confirmed it.",
				"Ask the registrar whether the domain is ours: nothing here proves it."},
			"tokenless": {"The job ended as issued at $a, and no token of its order is kept.",
				"Rows were removed or changed past bulkreg: find out by whom. Who needs the token has to order it anew."},
			"misplaced": {"A token is kept for it, and it is for $b.",
				"Rows were added or changed past bulkreg: find out by whom, and compare with a backup."},
			"unasked": {"The job ended as $b at $a, with no call on record that brought a token.",
				"Rows were removed or changed past bulkreg: find out by whom, and compare with a backup."},
		},
	}
}

// unprovenTokens are jobs whose token is not there although it did not expire, or was never asked for, and tokens of jobs that have
// none. A token goes in the statement that makes its job expired.
func unprovenTokens() string {
	return `
			SELECT 'tokenless', j.id, j.domain, j.order_id, j.seq, ` + utc("j.finished_at") + `, NULL FROM jobs j
			WHERE j.outcome = 'issued' AND NOT EXISTS (SELECT FROM tokens t WHERE t.job_id = j.id AND t.order_id = j.order_id)
			UNION ALL
			SELECT 'misplaced', j.id, j.domain, j.order_id, j.seq, NULL, j.kind FROM tokens t JOIN jobs j ON j.id = t.job_id WHERE j.kind <> 'token'
			UNION ALL
			SELECT 'unasked', j.id, j.domain, j.order_id, j.seq, ` + utc("j.finished_at") + `, j.outcome FROM jobs j
			WHERE j.outcome IN ('issued', 'expired') AND NOT EXISTS (
				SELECT FROM (
					SELECT unnest(coalesce(k.job_ids, c.job_ids)) AS job_id FROM calls k JOIN claims c ON c.id = k.claim_id WHERE k.op = 'token' AND k.status = 200
				) AS brought WHERE brought.job_id = j.id)`
}

// auditEnds checks what a database can show of changes that must not happen: that a final job went on without an operator's
// act, or that attempts are gone. It sees
//   - a claim or an attempt that is younger than its job's end. One exception is no breach: a success that came late
//     ended the job while a newer claim had it, and its transaction may have begun before that claim's (auditSkew);
//   - a stored success whose job is not final. Its reply ended the job in the same transaction, unless a newer attempt was
//     open, or the job was final and an operator has retried it since;
//   - a job that does not stand as the newest act left it, or did not when the next act found it. A cancel ends a job,
//     or marks it until a call under way or a check ends it, in whatever way that is;
//   - a paid call with fewer, or more, attempts than jobs in it.
func auditEnds() auditCheck {
	const past = "A row was changed past bulkreg, or bulkreg has a grave mistake: keep a copy of the database and find out."
	return auditCheck{
		invariant: "I10",
		rule:      "final states change only by an operator's recorded act; attempts are only ever added",
		find: `
			WITH activity AS (
				SELECT job_id, opened_at AS at, 'sent' AS code FROM attempts
				UNION ALL
				SELECT j.id, c.taken_at, 'claimed' FROM jobs j JOIN claims c ON c.id = j.claim_id WHERE j.finished_at < c.taken_at
			), after_end AS (
				SELECT DISTINCT ON (j.id) v.code, j.id, j.domain, j.order_id, j.seq, j.finished_at, v.at
				FROM activity v JOIN jobs j ON j.id = v.job_id
				WHERE j.finished_at < v.at
				AND NOT EXISTS (SELECT FROM operator_acts o WHERE o.job_id = j.id AND o.act <> 'retry now' AND o.at >= v.at)
				AND NOT (v.at <= j.finished_at + make_interval(secs => @skew) AND EXISTS (
					SELECT FROM attempts s
					WHERE s.job_id = j.id AND s.state = 'registered' AND s.resolved_at = j.finished_at AND s.opened_at < v.at))
				ORDER BY j.id, v.code DESC, v.at
			), acts AS (
				SELECT o.job_id, o.act, o.at, lead(o.state_before) OVER turns AS found, lead(o.job_id) OVER turns IS NULL AS newest
				FROM operator_acts o WHERE o.act <> 'retry now' WINDOW turns AS (PARTITION BY o.job_id ORDER BY o.id)
			), recorded AS (
				SELECT call_id, count(*) AS n FROM attempts GROUP BY call_id
			)
			SELECT code, id AS job_id, domain, order_id, seq, ` + utc("finished_at") + ` AS a, ` + utc("at") + ` AS b FROM after_end
			UNION ALL
			SELECT 'reopened', j.id, j.domain, j.order_id, j.seq, ` + utc("a.resolved_at") + `, j.state
			FROM attempts a JOIN jobs j ON j.id = a.job_id
			WHERE a.state = 'registered' AND a.resolved_by = 'reply' AND j.finished_at IS NULL
			AND NOT EXISTS (SELECT FROM attempts newer WHERE newer.job_id = j.id AND newer.opened_at > a.opened_at)
			AND NOT EXISTS (SELECT FROM operator_acts o WHERE o.job_id = j.id AND o.act <> 'retry now' AND o.at >= a.resolved_at - make_interval(secs => @skew))
			UNION ALL
			SELECT 'undone', j.id, j.domain, j.order_id, j.seq, t.act, coalesce(t.found, j.state)
			FROM acts t JOIN jobs j ON j.id = t.job_id
			WHERE t.act = 'confirm registered' AND (NOT t.newest OR j.outcome IS DISTINCT FROM 'registered')
			OR t.act = 'cancel' AND CASE WHEN t.newest THEN j.finished_at IS NULL AND NOT j.canceling
				ELSE t.found IN ('queued', 'running', 'retrying', 'held') END
			UNION ALL
			SELECT 'attempts', NULL, '', m.order_ids[1], 0, coalesce(r.n, 0)::text || ' of ' || c.size::text, c.id::text
			FROM calls c JOIN claims m ON m.id = c.claim_id LEFT JOIN recorded r ON r.call_id = c.id
			WHERE c.op = 'register' AND c.size <> coalesce(r.n, 0)`,
		sorts: map[string]breachSort{
			"sent":     {"The job ended at $a, and its domain was sent at $b, without an operator's act.", past},
			"claimed":  {"The job ended at $a, and a worker claimed it at $b, without an operator's act.", past},
			"reopened": {"A success for the job is on record since $a, and yet it is $b, without an operator's act.", past},
			"undone":   {"An operator's act, $a, ended the job, and it was $b afterwards without another act.", past},
			"attempts": {"There are $a attempts on record for the paid call $b.", "Attempts were removed or added past bulkreg: " +
				"find out by whom, compare with a backup, and ask the registrar about the domains of the order that were sent at that time."},
		},
	}
}
