package orders

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// changedError says that orders with the same domains changed again and again between the statements of insertIncoming. The
// same may work later.
type changedError struct{}

func (changedError) Error() string {
	return "other orders with the same domains change all the time: try again"
}

func (changedError) Is(target error) bool { return target == pg.ErrUnavailable }

// insertFew inserts jobs whose places follow after.
func insertFew(ctx context.Context, tx pgx.Tx, o record.Order, after int, jobs []NewJob) (inserted, duplicates int, err error) {
	return insertRecords(ctx, tx, recordsOf(jobs, o.ID, after))
}

// insertRecords inserts few jobs, of whatever orders.
func insertRecords(ctx context.Context, tx pgx.Tx, records []jobRecord) (inserted, duplicates int, err error) {
	return insertIncoming(ctx, tx, len(records), `
		SELECT r.id, o.id AS order_id, r.seq, o.kind, o.lane, o.account, r.domain, r.domain_unicode, r.holder_id,
			r.period_months, r.nameservers, r.allow_status, o.turn, r.person, r.privacy_consent, NULL::bigint AS holder_key
		FROM `+jobRecords+` JOIN orders o ON o.id = r.order_id`, records)
}

// insertIncoming inserts so many jobs from a query. Registrations whose domain has a live or registered job already
// become final at once, as duplicates. Rows go in by domain, so that two orders with the same
// domains cannot lock each other out.
//
// A job that has the domain when the first statement looks may have ended when the second does. What neither of them inserted is
// tried again: each statement sees what was committed before it.
func insertIncoming(ctx context.Context, tx pgx.Tx, total int, incoming string, args ...any) (inserted, duplicates int, err error) {
	const untried = ` WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = given.id AND j.order_id = given.order_id)`
	left := ""
	for range maxPasses {
		with := `WITH given AS (` + incoming + `), i AS (SELECT * FROM given` + left + `)`
		more, err := insertNew(ctx, tx, with, args)
		if err != nil {
			return 0, 0, err
		}
		if inserted += more; inserted+duplicates == total {
			return inserted, duplicates, nil
		}
		if more, err = insertDuplicates(ctx, tx, with, args); err != nil {
			return 0, 0, err
		}
		if duplicates += more; inserted+duplicates == total {
			return inserted, duplicates, nil
		}
		left = untried
	}
	return 0, 0, changedError{}
}

// maxPasses bounds how often what is left is tried. A second time is rare, a third one hardly happens.
const maxPasses = 20

const incomingColumns = `id, order_id, seq, kind, lane, account, domain, domain_unicode, holder_id, period_months, nameservers, allow_status, turn, person, privacy_consent, holder_key`

// insertNew inserts those of i whose domain nobody has.
func insertNew(ctx context.Context, tx pgx.Tx, with string, args []any) (int, error) {
	tag, err := tx.Exec(ctx, with+`
		INSERT INTO jobs (`+incomingColumns+`)
		SELECT `+incomingColumns+` FROM i ORDER BY domain
		ON CONFLICT (live_domain) WHERE live_domain IS NOT NULL DO NOTHING`, args...)
	return int(tag.RowsAffected()), err
}

// insertDuplicates inserts, as final, those of i whose domain another live or registered job has. What another source calls its orders
// is nobody's business.
func insertDuplicates(ctx context.Context, tx pgx.Tx, with string, args []any) (int, error) {
	tag, err := tx.Exec(ctx, with+`
		INSERT INTO jobs (`+incomingColumns+`, state, outcome, finished_at, last_error)
		SELECT i.id, i.order_id, i.seq, i.kind, i.lane, i.account, i.domain, i.domain_unicode, i.holder_id,
			i.period_months, i.nameservers, i.allow_status, i.turn, i.person, i.privacy_consent, i.holder_key, 'failed', 'duplicate', now(),
			CASE WHEN l.outcome = 'registered' THEN 'registered already by ' ELSE 'in progress in ' END ||
				CASE WHEN l.source = mine.source THEN 'order ' || l.reference ELSE 'an order of another source' END
		FROM i JOIN orders mine ON mine.id = i.order_id CROSS JOIN LATERAL (`+claimantOf+`) AS l
		WHERE i.kind = 'register'`, args...)
	return int(tag.RowsAffected()), err
}

// claimantOf finds the live or registered job that has the domain of incoming job i, which may be a row by now. OFFSET 0 keeps the planner from
// joining first: one look into the index per job, whatever it thinks of the tables' sizes.
const claimantOf = `
	SELECT live.outcome, o.source, o.reference
	FROM (SELECT order_id, outcome FROM jobs WHERE live_domain = i.domain AND NOT (id = i.id AND order_id = i.order_id) OFFSET 0) AS live
	JOIN orders o ON o.id = live.order_id OFFSET 0`
