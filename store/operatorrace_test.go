package store_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// during runs an act while a transaction of somebody else's holds something that it must wait for, and lets that
// transaction commit once the act waits.
func (b *bench) during(r operator.Request, somebody func(tx pgx.Tx) error) operator.Report {
	b.t.Helper()
	tx, err := b.db.Begin(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := somebody(tx); err != nil {
		b.t.Fatal(err)
	}
	type outcome struct {
		report operator.Report
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		report, err := b.store.Operator.CarryOut(b.t.Context(), r)
		done <- outcome{report, err}
	}()
	b.blocked(1)
	if err := tx.Commit(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	got := <-done
	if got.err != nil {
		b.t.Fatal(got.err)
	}
	return got.report
}

// A job that a worker claims while an operator cancels it is not ended under the worker's hands: it is marked.
func TestCancelWhileAWorkerClaims(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(record.Register, "r"), "a.nl", "b.nl", "c.nl").Order
	id := get[uuid.UUID](b, `SELECT id FROM jobs WHERE domain = 'b.nl'`)
	r := request(operator.Cancel)
	r.Orders = []record.Order{o}
	report := b.during(r, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE jobs SET state = 'running', claim_id = $2 WHERE id = $1`, id, newID())
		return err
	})
	b.wantReport(report, 3, map[operator.Skip]int{})
	b.wantState(id, "running")
	if !b.job(id).Canceling || report.Later() != 1 {
		t.Errorf("job %+v, report %+v", b.job(id), report)
	}
}

// A job that was claimed, sent and lost while the operator's statement waited for its row does not end at once, although it
// waits again by then.
func TestCancelWhileAJobIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl")
	b.release(h.claim, time.Hour)
	newer := newID()
	report := b.during(request(operator.Cancel, h.ids()...), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			WITH claim AS (
				INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until)
				SELECT $1, kind, account, 'w', ARRAY[id], ARRAY[order_id], now() FROM jobs WHERE id = $2
			), call AS (
				INSERT INTO calls (id, claim_id, op, size, deadline) VALUES ($1, $1, 'register', 1, now())
			), sent AS (
				INSERT INTO attempts (call_id, job_id, domain, state) VALUES ($1, $2, 'a.nl', 'unknown')
			)
			UPDATE jobs SET claim_id = $1 WHERE id = $2`, newer, h.jobs[0].ID)
		return err
	})
	b.wantReport(report, 1, map[operator.Skip]int{})
	b.wantState(h.jobs[0].ID, "retrying")
	if !b.job(h.jobs[0].ID).Canceling {
		t.Error("it is not marked as canceled")
	}
}

// A domain that somebody orders while its old job is retried goes to one of the two.
func TestRetryWhileTheDomainIsOrdered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, _ := b.rejected("a.nl")
	other, _ := b.rejected("b.nl")
	o := b.submit(newOrder(record.Register, "newer"), "c.nl").Order
	report := b.during(request(operator.Retry, append(h.ids(), other.ids()...)...), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain) VALUES ($1, $2, 99, 'register', 'plain', 'default', 'a.nl')`, newID(), o.ID)
		return err
	})
	b.wantReport(report, 1, map[operator.Skip]int{operator.SkipClaimed: 1})
	b.wantState(h.jobs[0].ID, "failed rejected")
	b.wantState(other.jobs[0].ID, "queued")
	if len(report.Claimed) != 1 || report.Claimed[0].Reference != "newer" {
		t.Errorf("claimants %+v", report.Claimed)
	}
}

// A success that arrives while the operator says otherwise wins.
func TestConfirmWhileTheReplyArrives(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.unconfirmed("a.nl")
	report := b.during(request(operator.ConfirmNotRegistered, h.ids()...), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			WITH a AS (UPDATE attempts SET state = 'registered', resolved_at = now(), resolved_by = 'reply' WHERE call_id = $1)
			UPDATE jobs SET state = 'succeeded', outcome = 'registered', finished_at = now() WHERE id = $2`, call, h.jobs[0].ID)
		return err
	})
	b.wantReport(report, 0, map[operator.Skip]int{operator.SkipNotUnconfirmed: 1})
	b.wantState(h.jobs[0].ID, "succeeded registered")
	if len(b.acts(h.jobs[0].ID)) != 0 {
		t.Error("an act that was not carried out is on record")
	}
}

// Nothing is confirmed while a call for the domain is under way.
func TestConfirmWaitsForAnOpenCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.unconfirmed("a.nl")
	b.exec(`UPDATE attempts SET state = 'open' WHERE call_id = $1`, call)
	for _, act := range []operator.Act{operator.ConfirmRegistered, operator.ConfirmNotRegistered} {
		b.wantReport(b.carryOut(request(act, h.ids()...)), 0, map[operator.Skip]int{operator.SkipRunning: 1})
	}
	b.wantState(h.jobs[0].ID, "unconfirmed")
}

// No change without its record.
func TestActThatCannotBeRecordedChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, _ := b.unconfirmed("a.nl")
	rejected, _ := b.rejected("b.nl")
	b.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$`)
	b.exec(`CREATE TRIGGER refuse BEFORE INSERT ON operator_acts EXECUTE FUNCTION refuse()`)
	before := b.fingerprint()
	for act, jobs := range map[operator.Act][]uuid.UUID{
		operator.ConfirmRegistered: h.ids(), operator.ConfirmNotRegistered: h.ids(), operator.Retry: rejected.ids(),
	} {
		if report, err := b.store.Operator.CarryOut(t.Context(), request(act, jobs...)); err == nil || report.Changed() != 0 {
			t.Errorf("%s: changed %d, %v", act, report.Changed(), err)
		}
	}
	if b.fingerprint() != before {
		t.Error("something changed")
	}
}

// A large order goes page by page, and every page counts.
func TestActOnALargeOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 10_007
	r := request(operator.Cancel)
	r.Orders = []record.Order{b.submit(newOrder(record.Register, "r"), names("a", n)...).Order}
	first := b.claim(newClaim(record.Register), b.fresh(record.Register)[:50])
	plan, err := b.store.Operator.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	report := b.carryOut(r)
	b.wantReport(plan, n, map[operator.Skip]int{})
	b.wantReport(report, n, map[operator.Skip]int{})
	if plan.Later() != 50 || report.Later() != 50 {
		t.Errorf("%d and %d end later, want the 50 that run", plan.Later(), report.Later())
	}
	if acts := get[int](b, `SELECT count(DISTINCT job_id) FROM operator_acts`); acts != n {
		t.Errorf("%d jobs have an act, want %d", acts, n)
	}
	r.Act = operator.Retry
	b.wantReport(b.carryOut(r), n-50, map[operator.Skip]int{operator.SkipUnfinished: 50})
	if due := get[int](b, `SELECT count(*) FROM jobs WHERE wake_at <= now() AND state = 'queued'`); due != n-50 {
		t.Errorf("%d jobs are due, want %d", due, n-50)
	}
	b.bring(first, "unconfirmed")
	for i, act := range []operator.Act{operator.ConfirmNotRegistered, operator.ConfirmRegistered} {
		r.Act = act
		want := []int{50, 0}[i]
		if got := b.carryOut(r).Changed(); got != want {
			t.Errorf("%s: %d changed, want %d", act, got, want)
		}
	}
}

// While a large order comes in, Postgres may believe that the tables are empty. No plan made then may read all of a table
// for each row of another.
func TestActsDoNotRelyOnStatistics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3000
	o := b.submit(newOrder(record.Register, "r"), names("a", n)...).Order
	for _, act := range []operator.Act{operator.Cancel, operator.Retry, operator.ConfirmNotRegistered} {
		b.exec(`UPDATE pg_class SET reltuples = 0, relpages = 5000 WHERE relname IN ('jobs', 'attempts', 'chunks', 'operator_acts')`)
		r := request(act)
		r.Orders = []record.Order{o}
		b.wantReport(b.carryOut(r), n, map[operator.Skip]int{})
		b.exec(`UPDATE jobs SET state = 'unconfirmed', wake_at = NULL WHERE state = 'queued'`)
	}
	// A session tells what it has read when it ends.
	b.store.Close()
	b.eventually(func() bool {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bulkreg'`) == 0
	})
	for _, index := range list[string](b, `
		SELECT indexrelname || ': ' || idx_tup_read FROM pg_stat_user_indexes
		WHERE relname IN ('jobs', 'attempts', 'chunks') AND idx_tup_read > $1`, 50*n) {
		t.Errorf("read too much for %d jobs: %s", n, index)
	}
	if get[int](b, `SELECT sum(idx_tup_read)::integer FROM pg_stat_user_indexes WHERE relname = 'jobs'`) < n {
		t.Error("what was read was not counted")
	}
}
