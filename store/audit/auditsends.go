package audit

// auditResolutions checks that between two paid attempts on a domain lies a recorded resolution of the first, and that
// nothing follows a registered one.
//
// Most attempts speak for themselves: resolved by a reply, before the next was opened. For the others there must be evidence
// from between the two openings: a reading that says available, or an operator who said that the domain was not
// registered. Three things make a resolution's own time, or its word, a late one although all was well:
//   - a success that came after the attempt was cleared or disowned is written over that;
//   - an operator disowns every doubtful attempt on the domain, also the refused ones before the last;
//   - a reply that is settled while the readings clear its attempt may have a slightly later time than the next
//     opening, or a success a slightly earlier one (see auditSkew).
func auditResolutions() auditCheck {
	const ask = "Ask the registrar how often the domain was paid for, and keep a copy of the database: this must never happen."
	return auditCheck{
		invariant: "I5",
		rule:      "between two paid attempts on a domain lies a recorded resolution of the first",
		find: `
			WITH sent AS (
				SELECT a.*, lead(a.opened_at) OVER turns AS next_at, lead(a.job_id) OVER turns AS next_job,
					max(a.opened_at) OVER (PARTITION BY a.domain) AS last_at
				FROM attempts a
				WHERE a.domain IN (SELECT domain FROM attempts GROUP BY domain HAVING count(*) > 1)
				WINDOW turns AS (PARTITION BY a.domain ORDER BY a.opened_at, a.call_id)
			), suspect AS (
				SELECT s.*, c.status IS NOT NULL AS answered, c.finished_at IS NOT NULL AS finished
				FROM sent s JOIN calls c ON c.id = s.call_id
				WHERE s.next_at IS NOT NULL AND NOT coalesce(s.state IN ('failed', 'refused', 'not_sent')
					AND s.resolved_by = 'reply' AND s.resolved_at <= s.next_at AND c.finished_at IS NOT NULL, false)
			), evidence AS (
				SELECT j.domain, r.read_at AS at, true AS read FROM readings r JOIN jobs j ON j.id = r.job_id WHERE r.availability = 'available'
				UNION ALL
				SELECT j.domain, o.at, false FROM operator_acts o JOIN jobs j ON j.id = o.job_id WHERE o.act = 'confirm not registered'
			), weighed AS (
				SELECT s.call_id, s.job_id, s.domain, s.state, s.resolved_by, s.opened_at, s.resolved_at, s.next_at, s.next_job, s.last_at,
					s.answered, s.finished,
					coalesce(bool_or(e.read AND e.at <= s.next_at), false) AS read,
					coalesce(bool_or(NOT e.read AND e.at <= s.next_at), false) AS disowned,
					coalesce(bool_or(NOT e.read AND e.at BETWEEN s.resolved_at AND s.last_at), false) AS disowned_after
				FROM suspect s LEFT JOIN evidence e ON e.domain = s.domain AND e.at > s.opened_at
				GROUP BY s.call_id, s.job_id, s.domain, s.state, s.resolved_by, s.opened_at, s.resolved_at, s.next_at, s.next_job, s.last_at,
					s.answered, s.finished
			), judged AS (
				SELECT *, CASE
					WHEN resolved_at IS NULL THEN 'unresolved'
					WHEN state = 'registered' AND last_at > resolved_at AND NOT disowned_after
						AND NOT (read AND last_at <= resolved_at + make_interval(secs => @skew)) THEN 'registered'
					WHEN resolved_at > next_at THEN CASE
						WHEN state = 'registered' AND resolved_by = 'reply' AND (read OR disowned) THEN NULL
						WHEN state = 'disowned' AND (read OR disowned OR answered) THEN NULL
						WHEN state IN ('failed', 'refused', 'not_sent') AND read
							AND resolved_at <= next_at + make_interval(secs => @skew) THEN NULL
						ELSE 'late' END
					WHEN state = 'registered' THEN NULL
					WHEN state = 'cleared' AND resolved_by = 'readings' AND read THEN NULL
					WHEN state = 'disowned' AND disowned THEN NULL
					WHEN resolved_by = 'reply' AND finished THEN NULL
					ELSE 'unproven' END AS code
				FROM weighed
			)
			SELECT w.code, w.job_id, w.domain, j.order_id, j.seq,
				CASE w.code WHEN 'late' THEN ` + utc("w.next_at") + ` WHEN 'registered' THEN ` + utc("w.last_at") + ` WHEN 'unresolved' THEN ` + utc("w.next_at") + `
					ELSE w.state || ' by ' || w.resolved_by END AS a,
				CASE WHEN w.code = 'unproven' THEN ` + utc("w.next_at") + ` ELSE ` + utc("w.resolved_at") + ` END AS b
			FROM judged w LEFT JOIN jobs j ON j.id = w.job_id WHERE w.code IS NOT NULL`,
		sorts: map[string]breachSort{
			"unresolved": {"The domain was sent again at $a, although an earlier call for it has no answer to this day.", ask},
			"late":       {"The domain was sent again at $a, before the earlier call for it was resolved at $b.", ask},
			"registered": {"The domain was sent again at $a, although a success for it was on record since $b.", ask},
			"unproven": {"An earlier call is on record as $a, with nothing to prove it, and the domain was sent again at $b.",
				ask},
		},
	}
}

// auditRefusals checks that no registration ended as taken or rejected while somebody might have paid for its domain. A later
// job may well be in the middle of a call for the same domain: only attempts that were opened before this job ended count, for
// they barred the domain then, and are not resolved to this day.
func auditRefusals() auditCheck {
	return auditCheck{
		invariant: "I8",
		rule:      "taken or rejected implies that no attempt on the domain was open or unknown",
		find: `
			SELECT DISTINCT ON (j.id) j.outcome AS code, j.id AS job_id, j.domain, j.order_id, j.seq, ` + utc("j.finished_at") + ` AS a, a.state AS b
			FROM attempts a
			JOIN jobs j ON j.domain = a.domain AND j.kind = 'register' AND j.outcome IN ('taken', 'rejected') AND a.opened_at <= j.finished_at
			WHERE a.state IN ('open', 'unknown')
			ORDER BY j.id`,
		sorts: map[string]breachSort{
			"taken":    {"The job ended as taken at $a, while a paid call for its domain was $b: it may have been ours.", askWhose},
			"rejected": {"The job ended as rejected at $a, while a paid call for its domain was $b: it may have been paid for.", askWhose},
		},
	}
}

const askWhose = "Ask the registrar whether the domain is ours, and do not order it again before you know."

// auditUniqueness checks what two unique indexes promise. A damaged or missing index would show here, so that the rows are
// compared by themselves.
func auditUniqueness() auditCheck {
	const reindex = "An index that forbids this is missing or damaged: stop the workers, and compare the database with the migrations. " +
		"Ask the registrar how often the domain was paid for before they run again."
	return auditCheck{
		invariant: "I9",
		rule:      "a domain has at most one unresolved attempt, and one live or registered job",
		find: `
			WITH several_attempts AS MATERIALIZED (
				SELECT domain, count(*) AS n FROM attempts WHERE state IN ('open', 'unknown') GROUP BY domain HAVING count(*) > 1
			), several_jobs AS MATERIALIZED (
				SELECT domain, count(*) AS n FROM jobs
				WHERE kind = 'register' AND (finished_at IS NULL OR outcome = 'registered') GROUP BY domain HAVING count(*) > 1
			), newest_attempt AS (
				SELECT DISTINCT ON (s.domain) s.domain, s.n, a.job_id FROM several_attempts s
				JOIN attempts a ON a.domain = s.domain AND a.state IN ('open', 'unknown')
				ORDER BY s.domain, a.opened_at DESC, a.call_id
			), ranked AS (
				SELECT j.id, s.domain, j.order_id, j.seq, s.n, lead(j.id) OVER age AS older, row_number() OVER age AS rank FROM several_jobs s
				JOIN jobs j ON j.domain = s.domain AND j.kind = 'register' AND (j.finished_at IS NULL OR j.outcome = 'registered')
				WINDOW age AS (PARTITION BY s.domain ORDER BY j.created_at DESC, j.order_id DESC, j.seq DESC)
			)
			SELECT 'attempts' AS code, j.id AS job_id, t.domain, j.order_id, j.seq, t.n::text AS a, NULL AS b
			FROM newest_attempt t LEFT JOIN jobs j ON j.id = t.job_id
			UNION ALL
			SELECT 'jobs', id, domain, order_id, seq, n::text, older::text FROM ranked WHERE rank = 1`,
		sorts: map[string]breachSort{
			"attempts": {"The domain has $a attempts that are not resolved.", reindex},
			"jobs":     {"The domain has $a live or registered jobs; the one before this is $b.", reindex},
		},
	}
}
