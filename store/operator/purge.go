package operator

import (
	"context"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/jackc/pgx/v5"
)

// Purge is what removing the details of holders, and what the upstream said, comes to.
type Purge struct {
	Orders  int // ended for long enough, and with details
	Holders int // whose details go
	Kept    int // holders of these orders that another order still needs
	Words   int // orders that ended for long enough, from which the upstream's words go, and labels
	People  int // whom the tokens of such orders were for, and whose details go
	Names   int // jobs that ended as long ago because they name no domain, and lose what they had in its place
	Answers int // what was said as long ago of none of these orders: answers of webhooks' receivers, and refusals that were lifted
}

// Nothing reports that there is nothing to remove.
func (p Purge) Nothing() bool {
	return p.Holders == 0 && p.Words == 0 && p.People == 0 && p.Names == 0 && p.Answers == 0
}

// PlanPurge says what PurgeHolders would do now.
func (s *Operator) PlanPurge(ctx context.Context, olderThan time.Duration) (Purge, error) {
	return s.purge(ctx, olderThan, func(context.Context, pgx.Tx) error { return nil })
}

// PurgeHolders removes the details of the holders whose orders ended, to the last job, longer ago than olderThan, and from all
// orders that ended as long ago what the upstream said: it may have quoted somebody, and WHOIS whoever has a domain. With tokens go the
// people that they were for, and the subjects by which these were found. What stands in the place of a domain goes from every job that
// ended as long ago, and the labels of orders with the words: a producer may have put people there. One call is about jobs of
// several orders, so it makes no difference whose holders they name. Outcomes stay, and so do the upstream's ids, but for those that
// may be made of a name or an address: a job with such a one cannot be tried again. Of the digests
// nothing stays: they would let whoever has the database guess the details. Orders on their way in wait for it, and it
// waits for them.
func (s *Operator) PurgeHolders(ctx context.Context, olderThan time.Duration) (Purge, error) {
	return s.purge(ctx, olderThan, func(ctx context.Context, tx pgx.Tx) error {
		for _, statement := range purgeStatements() {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// needed says of holder h that an order needs it that has not ended.
const needed = `EXISTS (
	SELECT FROM order_holders other WHERE other.holder_key = h.id AND NOT EXISTS (SELECT FROM ended WHERE ended.id = other.order_id))`

// unguessable stands where a digest was. It is no NULL, which has a meaning of its own in an order, and equals no digest.
const unguessable = `sha256(convert_to(gen_random_uuid()::text, 'UTF8'))`

// namesSomebody says of an id of a holder that it may be made of a name or an address: it has four letters in a row, or what is no
// letter, digit, hyphen or underscore of ASCII. A number with a short prefix does not, nor does a UUID.
func namesSomebody(id string) string {
	return `(` + id + ` ~* '[a-z]{4}|[^a-z0-9_-]' AND ` + id + ` !~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' AND ` + id + ` NOT LIKE '` + purgedID + `%')`
}

// purgedID begins what stands in the place of an id that a purge has taken away. No id can begin so: it has a space.
const purgedID = "purged "

// digestOfID is a digest of an id, so that jobs of one holder still show as such. Its key is made for one purge and kept nowhere.
func digestOfID(id string) string {
	return `(SELECT '` + purgedID + `' || left(encode(sha256(convert_to(b.key || ` + id + `, 'UTF8')), 'hex'), 16) FROM purge_before b)`
}

// saidOf are the calls about jobs of the orders whose words go.
const saidOf = `(SELECT k.id FROM calls k JOIN claims c ON c.id = k.claim_id WHERE c.order_ids && ARRAY(SELECT id FROM spoken))`

// toldOf are the deliveries of webhooks about the orders whose words go. Whoever received one may have said anything.
const toldOf = `(SELECT d.id FROM webhook_deliveries d JOIN spoken s ON s.id = d.order_id)`

// saidOfNone says of answer a of a webhook's receiver that it came before a purge's time and is about no order, as of a hold or a test, or
// about one that was purged before it came.
const saidOfNone = `a.answer IS NOT NULL AND a.at <= b.at AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.id = a.delivery_id
	AND NOT EXISTS (SELECT FROM orders o WHERE o.id = d.order_id AND (o.purged_at IS NULL OR o.id IN (SELECT id FROM spoken))))`

// countAnswers counts them, and the refusals that were lifted as long ago.
const countAnswers = `
	SELECT (SELECT count(*) FROM webhook_attempts a, purge_before b WHERE ` + saidOfNone + `)
		+ (SELECT count(*) FROM lifted_refusals l, purge_before b WHERE l.lifted_at <= b.at)`

// purgeStatements remove everything. A test knows every column of the schema and which of them these empty.
func purgeStatements() []string {
	const jobsOf = `job_id IN (SELECT j.id FROM jobs j JOIN spoken s ON s.id = j.order_id)`
	return slices.Concat([]string{
		// First: a chunk that comes meanwhile waits, and sees that the order was purged.
		`UPDATE orders o SET purged_at = now(), labels = NULL FROM spoken s WHERE o.id = s.id`,
	}, forgetPeople(), []string{
		`UPDATE holders h SET details = NULL, purged_at = now(), words = NULL, digest = ` + unguessable + `
			FROM (SELECT DISTINCT holder_key FROM order_holders oh JOIN ended e ON e.id = oh.order_id) AS of
			WHERE h.id = of.holder_key AND h.details IS NOT NULL AND NOT ` + needed,
		// They are those of the statement before, and of releases that left the ids.
		`UPDATE holders h SET upstream_id = ` + digestOfID("h.upstream_id") + ` WHERE h.purged_at IS NOT NULL AND ` + namesSomebody("h.upstream_id") +
			` AND NOT ` + needed,
		`UPDATE orders o SET digest = ` + unguessable + ` FROM spoken s WHERE o.id = s.id AND o.digest IS NOT NULL
			AND EXISTS (SELECT FROM jobs j WHERE j.order_id = o.id AND ` + namesSomebody("j.holder_id") + `)`,
		`UPDATE jobs j SET holder_id = ` + digestOfID("j.holder_id") + ` FROM spoken s WHERE j.order_id = s.id AND ` + namesSomebody("j.holder_id"),
		`UPDATE jobs j SET last_error = NULL, whois_status = NULL FROM spoken s
			WHERE j.order_id = s.id AND (j.last_error IS NOT NULL OR j.whois_status IS NOT NULL)`,
		`UPDATE attempts SET message = NULL WHERE message IS NOT NULL AND ` + jobsOf,
		`UPDATE readings SET status = NULL WHERE status IS NOT NULL AND ` + jobsOf,
		`UPDATE operator_acts SET error_before = NULL WHERE error_before IS NOT NULL AND ` + jobsOf,
		`UPDATE calls SET error = NULL WHERE error IS NOT NULL AND id IN ` + saidOf,
		`UPDATE stray_registrations SET message = NULL WHERE message IS NOT NULL AND call_id IN ` + saidOf,
		`UPDATE webhook_attempts SET answer = NULL WHERE answer IS NOT NULL AND delivery_id IN ` + toldOf,
		`UPDATE webhook_attempts a SET answer = NULL FROM purge_before b WHERE ` + saidOfNone,
		// What a hold says is the newest that was said. If that is younger, it was about other jobs.
		`UPDATE holds h SET words = '' FROM purge_before b WHERE h.since <= b.at AND h.reason NOT IN ('paused', 'restored')
			AND h.account IN (SELECT o.account FROM orders o JOIN spoken s ON s.id = o.id)`,
		`DELETE FROM lifted_refusals l USING purge_before b WHERE l.lifted_at <= b.at`,
		// Such a repeat of the order passes for another one: what it asked for is not known any more.
		`UPDATE orders o SET digest = ` + unguessable + ` FROM spoken s
			WHERE o.id = s.id AND o.digest IS NOT NULL AND (o.kind = 'token' OR EXISTS (SELECT FROM order_holders oh WHERE oh.order_id = o.id))`,
	})
}

func (s *Operator) purge(ctx context.Context, olderThan time.Duration, remove func(context.Context, pgx.Tx) error) (Purge, error) {
	var p Purge
	err := s.db.InLongTx(ctx, "purge holders", func(tx pgx.Tx) error {
		// In a statement of its own: the next one sees what was committed before the lock was given.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, orders.PurgeLock); err != nil {
			return err
		}
		if err := findEnded(ctx, tx, olderThan); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			SELECT count(DISTINCT e.id), count(DISTINCT h.id) FILTER (WHERE NOT `+needed+`), count(DISTINCT h.id) FILTER (WHERE `+needed+`)
			FROM ended e JOIN order_holders oh ON oh.order_id = e.id JOIN holders h ON h.id = oh.holder_key
			WHERE h.details IS NOT NULL`).Scan(&p.Orders, &p.Holders, &p.Kept)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, countSpoken()).Scan(&p.Words); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, countPeople).Scan(&p.People); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM jobs j, purge_before b WHERE `+noDomain).Scan(&p.Names); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, countAnswers).Scan(&p.Answers); err != nil {
			return err
		}
		return remove(ctx, tx)
	})
	return p, err
}

// endedBefore says of order o that its last job ended before a purge's time.
const endedBefore = `o.created_at <= b.at AND NOT EXISTS (SELECT FROM jobs j WHERE j.order_id = o.id
	AND (j.finished_at IS NULL OR j.finished_at > b.at))`

// findEnded puts the orders whose details go into the table ended, and those from which the upstream's words go into the table
// spoken: all that were not purged, or not by a release that empties labels, or have been called for since.
func findEnded(ctx context.Context, tx pgx.Tx, olderThan time.Duration) error {
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE purge_before (at timestamptz NOT NULL, key text NOT NULL) ON COMMIT DROP`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO purge_before SELECT now() - make_interval(secs => $1), gen_random_uuid()::text || gen_random_uuid()`, pg.Seconds(olderThan)); err != nil {
		return err
	}
	for _, statement := range []string{
		`CREATE TEMPORARY TABLE ended (id bigint PRIMARY KEY) ON COMMIT DROP`,
		`INSERT INTO ended SELECT o.id FROM orders o, purge_before b
			WHERE EXISTS (SELECT FROM order_holders oh JOIN holders h ON h.id = oh.holder_key
				WHERE oh.order_id = o.id AND h.details IS NOT NULL)
			AND ` + endedBefore,
		`CREATE TEMPORARY TABLE spoken (id bigint PRIMARY KEY) ON COMMIT DROP`,
		`INSERT INTO spoken SELECT o.id FROM orders o, purge_before b
			WHERE (o.purged_at IS NULL OR o.labels IS NOT NULL OR EXISTS (
				SELECT FROM claims c WHERE c.order_ids @> ARRAY[o.id] AND c.taken_at > o.purged_at))
			AND ` + endedBefore,
		`ANALYZE spoken`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// countPeople counts the jobs whose person is kept.
const countPeople = `SELECT count(*) FROM spoken s JOIN jobs j ON j.order_id = s.id WHERE j.person IS NOT NULL`

// countSpoken counts the orders of which words or labels are kept.
func countSpoken() string {
	return `
	SELECT count(*) FROM spoken s WHERE
		EXISTS (SELECT FROM orders o WHERE o.id = s.id AND o.labels IS NOT NULL)
		OR EXISTS (SELECT FROM jobs j WHERE j.order_id = s.id AND (j.last_error IS NOT NULL OR j.whois_status IS NOT NULL))
		OR EXISTS (SELECT FROM jobs j WHERE j.order_id = s.id AND ` + namesSomebody("j.holder_id") + `)
		OR EXISTS (SELECT FROM jobs j JOIN attempts a ON a.job_id = j.id WHERE j.order_id = s.id AND a.message IS NOT NULL)
		OR EXISTS (SELECT FROM jobs j JOIN readings r ON r.job_id = j.id WHERE j.order_id = s.id AND r.status IS NOT NULL)
		OR EXISTS (SELECT FROM claims c JOIN calls k ON k.claim_id = c.id WHERE c.order_ids @> ARRAY[s.id] AND k.error IS NOT NULL)
		OR EXISTS (SELECT FROM webhook_deliveries d JOIN webhook_attempts a ON a.delivery_id = d.id WHERE d.order_id = s.id AND a.answer IS NOT NULL)`
}
