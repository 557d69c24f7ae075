package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Options says how an audit judges and how much it lists. The zero value is exact: it fits a database that nobody
// works on.
type Options struct {
	// Grace is how long after its time something may be before it counts as overdue. While workers run it should be a
	// minute: they look each second, and a database under load is slower than that.
	Grace time.Duration
	Limit int // breaches listed per invariant at most; default 100
	// JobID derives the id of a job, as whoever takes jobs in does; nil: nobody looks whether the ids are those of their jobs.
	JobID func(source, reference string, kind record.Kind, subject string) uuid.UUID
	// Told is told before each check how many of all have been made, and how many jobs there are; nil tells nobody.
	Told func(checked, all, jobs int)
}

// auditLimit is how many breaches of an invariant are listed unless somebody asks for more.
const auditLimit = 100

// Report is what an audit found in one snapshot of the database.
type Report struct {
	At                     time.Time // of the snapshot
	Orders, Jobs, Attempts int       // what there was to check
	Checked                []Invariant
	Breaches               []Breach // the first of each invariant, in the order of Checked
}

// Invariant is an invariant that was checked.
type Invariant struct {
	Invariant string // I1 and so on
	Rule      string // what must hold, in one sentence
	Breaches  int    // all of them, also those that are not listed
}

// Breach is one place where an invariant does not hold.
type Breach struct {
	Invariant string
	Job       uuid.UUID // zero where it is not about one job
	Domain    string    // "" in the same case
	Source    string    // of the order; "" where there is none
	Reference string
	Shared    bool   // see Order.Shared
	What      string // is wrong, in one sentence
	Advice    string // what an operator should do; the same for all breaches of a sort
}

// Total counts all breaches, also those that are not listed.
func (r Report) Total() int {
	n := 0
	for _, c := range r.Checked {
		n += c.Breaches
	}
	return n
}

// Run checks the invariants that a database can show. It reads one snapshot, changes and locks nothing, and reports
// nothing that is only on its way: each step of a worker is one transaction, so that a snapshot never shows half of it.
// Where held jobs wait that no hold stops, it first watches for a few seconds whether they are being woken.
//
// The times that it compares were made by the database, each at the beginning of a transaction. It relies on that
// clock never being set back.
func (s *Auditor) Run(ctx context.Context, o Options) (Report, error) {
	if o.Limit <= 0 {
		o.Limit = auditLimit
	}
	idle, err := s.watchHeld(ctx, o.Grace)
	if err != nil {
		return Report{}, pg.Failure("watch held jobs", err)
	}
	args := heldArgs(idle)
	args["limit"], args["grace"], args["skew"] = o.Limit, pg.Seconds(o.Grace), pg.Seconds(auditSkew)
	var r Report
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.db.Pool, snapshot, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, auditSettings); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			SELECT now(), (SELECT count(*) FROM orders), (SELECT count(*) FROM jobs), (SELECT count(*) FROM attempts)`).
			Scan(&r.At, &r.Orders, &r.Jobs, &r.Attempts)
		if err != nil {
			return err
		}
		checks := auditChecks()
		for i, c := range checks {
			if o.Told != nil {
				o.Told(i, len(checks), r.Jobs)
			}
			if c.before != nil {
				if err := c.before(ctx, tx, o, args); err != nil {
					return fmt.Errorf("%s: %w", c.invariant, err)
				}
			}
			if err := c.run(ctx, tx, args, &r); err != nil {
				return fmt.Errorf("%s: %w", c.invariant, err)
			}
		}
		return nil
	})
	if err != nil {
		return Report{}, pg.Failure("audit", err)
	}
	return r, nil
}

// auditSettings undo some settings of a session for one transaction: an audit reads whole tables, and joins them at once.
const auditSettings = `
	SET LOCAL statement_timeout = '1h'; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;
	SET LOCAL work_mem = '64MB'`

// auditSkew is longer than any transaction of ours. The time in a row is that of its transaction's beginning; where two
// transactions about the same job may overlap, the one that began first may have been the second to act.
const auditSkew = time.Minute

// auditCheck is an invariant, as SQL that finds its breaches.
type auditCheck struct {
	invariant string
	rule      string
	before    func(context.Context, pgx.Tx, Options, pgx.NamedArgs) error // gives the query what SQL cannot find; nil for nothing
	// find selects code, job_id, domain, order_id, seq, and two details a and b as text.
	find  string
	sorts map[string]breachSort // by code
}

// breachSort is how a sort of breach is put into words. In what is wrong, $a and $b stand for the details.
type breachSort struct{ what, advice string }

// auditChecks are all checks, in the order in which they are reported.
func auditChecks() []auditCheck {
	return []auditCheck{
		auditOrders(), auditWaking(), auditResolutions(), auditLateSuccesses(), auditProofs(), auditRefusals(), auditUniqueness(), auditEnds(),
	}
}

// run adds what a check finds to the report: how many breaches there are, and the first of them.
func (c auditCheck) run(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs, r *Report) error {
	audited := Invariant{Invariant: c.invariant, Rule: c.rule}
	// MATERIALIZED keeps the planner from believing that the first of many breaches will do: there are none as a rule.
	rows, err := tx.Query(ctx, `
		WITH found AS MATERIALIZED (`+c.find+`), breach AS (
			SELECT *, count(*) OVER () AS total FROM found ORDER BY order_id, seq, code LIMIT @limit
		)
		SELECT b.code, coalesce(b.job_id, '00000000-0000-0000-0000-000000000000'), b.domain,
			coalesce(o.source, ''), coalesce(o.reference, ''), coalesce(`+record.SharedReference+`, false), coalesce(b.a, ''), coalesce(b.b, ''), b.total
		FROM breach b LEFT JOIN orders o ON o.id = b.order_id
		ORDER BY b.order_id, b.seq, b.code`, args)
	if err != nil {
		return err
	}
	var code, a, b string
	breach := Breach{Invariant: c.invariant}
	_, err = pgx.ForEachRow(rows, []any{&code, pg.BytesOf(&breach.Job), &breach.Domain, &breach.Source, &breach.Reference, &breach.Shared, &a, &b, &audited.Breaches}, func() error {
		sort, ok := c.sorts[code]
		if !ok {
			return fmt.Errorf("no words for a breach of the sort %q", code)
		}
		breach.What, breach.Advice = strings.NewReplacer("$a", a, "$b", b).Replace(sort.what), sort.advice
		r.Breaches = append(r.Breaches, breach)
		return nil
	})
	r.Checked = append(r.Checked, audited)
	return err
}

// utc is SQL that writes a time for people.
func utc(column string) string {
	return `to_char(` + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')`
}
