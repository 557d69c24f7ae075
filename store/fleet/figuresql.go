package fleet

// queuedFigures are the jobs that wait for their first delivery, those in chunks that were never delivered, up to $1 of each kind, lane and
// account, and those of deliveredLots.
const queuedFigures = `
	WITH RECURSIVE ` + eachFreshLot + `
	SELECT kind, account, '', sum(n)::bigint, interval '0' FROM (
		SELECT lot.kind, lot.account, (
			SELECT sum(last_seq - first_seq + 1) FROM (
				SELECT first_seq, last_seq FROM chunks c
				WHERE c.kind = lot.kind AND c.lane = lot.lane AND c.account = lot.account AND c.wake_at IS NULL LIMIT $1) AS counted) AS n
		FROM lot
		UNION ALL
		SELECT kind, account, n FROM (` + deliveredLots + `) AS delivered (kind, account, n, since, due)
	) AS queued GROUP BY kind, account`

// dueFigures are how long the first that could go has waited, in each line that no hold stops: a job whose own time has come, or a chunk
// of an order that is not paused. Paused orders are stepped over one by one, without a look at the chunks between.
const dueFigures = `
	WITH RECURSIVE ` + eachWaitingLot + `, fresh AS (
		(SELECT kind, lane, account, order_id FROM chunks WHERE wake_at IS NULL ORDER BY kind, lane, account, order_id LIMIT 1)
		UNION ALL
		SELECT next.* FROM fresh AS lot CROSS JOIN LATERAL (
			SELECT c.kind, c.lane, c.account, c.order_id FROM chunks c
			WHERE c.wake_at IS NULL AND (c.kind, c.lane, c.account, c.order_id) > (lot.kind, lot.lane, lot.account,
				CASE WHEN EXISTS (SELECT FROM order_holds p WHERE p.order_id = lot.order_id) THEN lot.order_id ELSE 9223372036854775807 END)
			ORDER BY c.kind, c.lane, c.account, c.order_id LIMIT 1
		) AS next
	), first AS (
		SELECT lot.kind, lot.lane, lot.account, (
			SELECT j.wake_at FROM jobs j
			WHERE j.kind = lot.kind AND j.lane = lot.lane AND j.account = lot.account AND j.wake_at IS NOT NULL
			ORDER BY j.kind, j.lane, j.account, j.wake_at LIMIT 1) AS at
		FROM lot
		UNION ALL
		SELECT f.kind, f.lane, f.account, o.created_at FROM fresh f JOIN orders o ON o.id = f.order_id
		WHERE NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = f.order_id)
	)
	SELECT kind, account, lane, 1::bigint, greatest(now() - min(at), interval '0') FROM first
	WHERE NOT EXISTS (SELECT FROM holds h WHERE h.account = first.account AND h.scope IN ('all', first.kind))
	GROUP BY kind, account, lane`

// doubtfulFigures look at no more than $1 of the jobs that a person must decide on.
const doubtfulFigures = `
	SELECT j.account, now() - min(a.opened_at) FROM (SELECT id, account FROM jobs WHERE unconfirmed_order IS NOT NULL LIMIT $1) AS j
	JOIN attempts a ON a.job_id = j.id GROUP BY j.account`

const workerFigures = `
	SELECT l.kind, l.account, '', count(*), interval '0'
	FROM workers w CROSS JOIN LATERAL jsonb_to_recordset(w.lots) AS l (kind text, account text)
	WHERE NOT w.stopping AND w.seen_at > now() - make_interval(secs => $1) GROUP BY l.kind, l.account`

const lagFigures = `
	SELECT coalesce(greatest(now() - (SELECT at FROM new_events ORDER BY id LIMIT 1), interval '0'), interval '0'),
		coalesce(greatest(now() - (SELECT at FROM order_changes ORDER BY id LIMIT 1), interval '0'), interval '0')`

const webhookFigures = `
	SELECT (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = 'waiting' LIMIT $1) AS waiting),
		coalesce((SELECT greatest(now() - min((SELECT d.due_at FROM webhook_deliveries d
			WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1)), interval '0')
			FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND coalesce(e.rests_until < now(), true)), interval '0'),
		(SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NOT NULL)`

// oldestTransaction leaves out the one that asks.
const oldestTransaction = `
	SELECT coalesce(greatest(now() - least(
		(SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND backend_type = 'client backend'),
		(SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database())), interval '0'), interval '0')`
