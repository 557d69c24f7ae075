package pg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Restored is what was done on finding another Postgres than the one on record.
type Restored struct {
	What     string    // is different, in words
	Since    time.Time // when it was found
	KnownAt  time.Time // until when the one before is known to have been there
	Accounts int       // whose registrations were put on hold
	Jobs     int       // that count as possibly sent
}

// words are those of a hold of an account with so many jobs that count as possibly sent.
func (r Restored) words(jobs int) string {
	const form = "2006-01-02 15:04:05Z"
	return fmt.Sprintf("%s, as found at %s. A standby was promoted or a backup restored: what was written after %s may be forgotten, paid calls too. "+
		"%d registrations count as possibly sent: once this hold is lifted, each goes out only after WHOIS readings have called it available",
		r.What, r.Since.UTC().Format(form), r.KnownAt.UTC().Format(form), jobs)
}

// record compares an origin with the one on record, in a transaction that nobody else can be in at the same time. It returns nil
// where nothing was forgotten. Where none is on record, it compares with what this process was connected to: the one before
// may be forgotten, too.
func (l *lineage) record(ctx context.Context, conn *pgx.Conn, o origin) (*Restored, error) {
	var restored *Restored
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: beginLong}, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO lineage (system_id, timeline, home) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			record.OrNull(o.system), record.OrNull(o.timeline), o.home)
		verified := l.verified.Load()
		first := err == nil && tag.RowsAffected() > 0
		if err != nil || first && verified == nil {
			return err // the first to look: there is nothing to compare with
		}
		var before origin
		var r Restored
		err = tx.QueryRow(ctx, `SELECT coalesce(system_id, ''), coalesce(timeline, 0), home, known_at, now() FROM lineage FOR UPDATE`).
			Scan(&before.system, &before.timeline, &before.home, &r.KnownAt, &r.Since)
		if err != nil {
			return err
		}
		if first {
			before, r.KnownAt = *verified, l.begun
		}
		if !o.continues(before) {
			r.What = difference(before, o)
			if err := l.hold(ctx, tx, &r); err != nil {
				return err
			}
			restored = &r
		}
		_, err = tx.Exec(ctx, `
			UPDATE lineage SET system_id = coalesce($1, system_id), timeline = coalesce($2, timeline), home = $3, known_at = now(),
				since = CASE WHEN $4 THEN now() ELSE since END`,
			record.OrNull(o.system), record.OrNull(o.timeline), o.home, restored != nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	return restored, nil
}

// difference says how a Postgres differs from the one before.
func difference(before, now origin) string {
	switch {
	case before.system != now.system && before.system != "" && now.system != "":
		return fmt.Sprintf("Postgres is another one (system identifier %s, before %s)", now.system, before.system)
	case before.timeline != now.timeline && before.timeline != 0 && now.timeline != 0:
		return fmt.Sprintf("Postgres is on timeline %d, and was on %d", now.timeline, before.timeline)
	default:
		return "the tables were made anew, as from a dump"
	}
}

// hold puts every account's registrations on hold, and makes whatever was not final count as possibly sent.
func (l *lineage) hold(ctx context.Context, tx pgx.Tx, r *Restored) error {
	doubtful, err := doubtLive(ctx, tx, r.What)
	if err != nil {
		return err
	}
	// Claims on registrations end: their workers may not have noticed, and what they have sent is in doubt like the rest.
	_, err = tx.Exec(ctx, `UPDATE claims SET lease_until = now() WHERE closed_at IS NULL AND kind = 'register' AND lease_until > now()`)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT name FROM accounts`)
	if err != nil {
		return err
	}
	accounts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	accounts = append(accounts, l.accounts...)
	for account, jobs := range doubtful {
		accounts = append(accounts, account)
		r.Jobs += jobs
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	r.Accounts = len(accounts)
	words := make([]string, len(accounts))
	for i, a := range accounts {
		words[i] = r.words(doubtful[a])
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO holds (account, reason, scope, words)
		SELECT h.account, 'restored', 'register', h.words FROM unnest($1::text[], $2::text[]) AS h (account, words)
		ON CONFLICT (account, reason) DO UPDATE SET words = excluded.words, since = excluded.since`,
		accounts, words)
	return err
}

// doubtAtOnce is how many jobs one statement makes doubtful.
const doubtAtOnce = 2000

// doubtLive gives each registration that is not final an attempt that nobody has an answer to, unless it has one, as though it had
// been sent just now. What comes of any other is decided by the usual readings. It returns how many those were, by account, 0 included.
func doubtLive(ctx context.Context, tx pgx.Tx, why string) (map[string]int, error) {
	doubtful := map[string]int{}
	for after := ""; ; {
		rows, err := tx.Query(ctx, doubtJobs, after, doubtAtOnce, record.Clip(why))
		if err != nil {
			return nil, err
		}
		var (
			account string
			jobs    int
			last    string
			seen    int
		)
		_, err = pgx.ForEachRow(rows, []any{&account, &jobs, &last, &seen}, func() error {
			doubtful[account] += jobs
			return nil
		})
		if err != nil {
			return nil, err
		}
		if seen < doubtAtOnce {
			return doubtful, nil
		}
		after = last
	}
}

// Forgotten is whose claims and calls stand for those that Postgres may have forgotten.
const Forgotten = "forgotten"

const doubtJobs = `
	WITH live AS MATERIALIZED (
		SELECT id, order_id, account, live_domain AS domain FROM jobs
		WHERE live_domain > $1 AND finished_at IS NULL ORDER BY live_domain LIMIT $2
	), fresh AS MATERIALIZED (
		SELECT l.* FROM live l JOIN jobs j ON j.id = l.id AND j.state <> 'unconfirmed'
		WHERE NOT EXISTS (SELECT FROM attempts a WHERE a.domain = l.domain AND a.state IN ('open', 'unknown', 'registered'))
	), lot AS MATERIALIZED (
		SELECT account, gen_random_uuid() AS claim_id, gen_random_uuid() AS call_id, array_agg(id) AS job_ids,
			array_agg(DISTINCT order_id) AS order_ids, count(*)::integer AS size
		FROM fresh GROUP BY account
	), claimed AS (
		INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until, closed_at)
		SELECT claim_id, 'register', account, '` + Forgotten + `', job_ids, order_ids, now(), now() FROM lot
	), called AS (
		INSERT INTO calls (id, claim_id, op, size, deadline, finished_at, error)
		SELECT call_id, claim_id, 'register', size, now(), now(), 'possibly sent: ' || $3 FROM lot
	), doubted AS (
		INSERT INTO attempts (call_id, job_id, domain, state)
		SELECT lot.call_id, f.id, f.domain, 'unknown' FROM fresh f JOIN lot ON lot.account = f.account
	)
	SELECT l.account, (count(f.id))::integer, (SELECT max(domain) FROM live), (SELECT count(*)::integer FROM live)
	FROM live l LEFT JOIN fresh f ON f.id = l.id GROUP BY l.account`
