package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) status() fleet.Status {
	b.t.Helper()
	st, err := b.store.Fleet.Status(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

func lotText(l fleet.PipelineStatus) string {
	return fmt.Sprintf("%s/%s running %d, queued %d, waiting %d, held %d, workers %d", l.Kind, l.Account, l.Running, l.Queued, l.Waiting, l.Held, l.Workers)
}

func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	st := setup(t).status()
	if st.At.IsZero() || len(st.Unconfirmed)+len(st.Holds)+len(st.Paused)+len(st.Pipelines)+len(st.Workers)+st.Rescue.Claims+st.Rescue.Chunks > 0 ||
		!st.Rescue.Since.IsZero() {
		t.Errorf("got %+v", st)
	}
}

// Jobs are counted where they stand, by kind and account, whatever else there is.
func TestStatusCountsWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "w"), names("w", 7)...)
	if got := lotText(b.status().Pipelines[0]); got != "whois/default running 0, queued 7, waiting 0, held 0, workers 0" {
		t.Errorf("fresh: %s", got)
	}
	h := b.running(record.Register, names("r", 5)...)
	if got := lotText(b.status().Pipelines[0]); got != "register/default running 5, queued 0, waiting 0, held 0, workers 0" {
		t.Errorf("running: %s", got)
	}
	ids := h.ids()
	b.settle(h, ledger.Retry(ids[0], time.Hour, "busy"), ledger.Retry(ids[1], 2*time.Hour, "busy"), ledger.Hold(ids[2], "no money"),
		ledger.Fail(ids[3], record.Rejected, "no"), ledger.Retry(ids[4], time.Hour, "busy"))
	st := b.status()
	if got := lotText(st.Pipelines[0]); got != "register/default running 0, queued 0, waiting 3, held 1, workers 0" {
		t.Errorf("settled: %s", got)
	}
	l := st.Pipelines[0]
	if in := l.Due.Sub(st.At); in < 50*time.Minute || in > 61*time.Minute {
		t.Errorf("the first is due in %s", in)
	}
	if l.Since.IsZero() || !l.Free || !l.Overdue(st.At).IsZero() {
		t.Errorf("got %+v", l)
	}
	b.exec(`UPDATE jobs SET wake_at = now() - interval '2 minutes' WHERE id = $1`, ids[1])
	st = b.status()
	if l := st.Pipelines[0]; l.Overdue(st.At).IsZero() || !l.Overdue(st.At).Equal(l.Due) {
		t.Errorf("nothing is overdue: %+v", l)
	}
	l = b.status().Pipelines[0]
	l.Moving = true
	if !l.Overdue(st.At).IsZero() {
		t.Error("what waits in a line that moves is overdue")
	}
}

// What a paid call has settled runs no more, although its claim stays open until the lease ends.
func TestStatusCountsNoSettledRegistrationAsRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, names("p", 3)...)
	call := b.intend(h)
	settled := registered(h)
	delete(settled, h.jobs[2].Domain)
	b.settlePaid(h, call, settled)
	if got := lotText(b.status().Pipelines[0]); got != "register/default running 1, queued 0, waiting 0, held 0, workers 0" {
		t.Errorf("two of three settled: %s", got)
	}
	b.settlePaid(h, call, registered(h))
	if got := b.status().Pipelines; len(got) > 0 {
		t.Errorf("all settled: %+v", got)
	}
}

func TestStatusNamesWhatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, _ := b.unconfirmed("a.nl", "b.nl")
	st := b.status()
	if len(st.Unconfirmed) != 1 || st.Unconfirmed[0].Jobs != 2 || st.Unconfirmed[0].Reference == "" {
		t.Fatalf("unconfirmed: %+v", st.Unconfirmed)
	}
	b.carryOut(operator.Request{Act: operator.ConfirmRegistered, Operator: "ann", Reason: "ours", Jobs: h.ids()})
	if st := b.status(); len(st.Unconfirmed) != 0 {
		t.Errorf("confirmed: %+v", st.Unconfirmed)
	}
	other := b.running(record.Whois, "c.nl")
	b.passLease(other.claim)
	b.exec(`UPDATE claims SET lease_until = now() - interval '2 minutes' WHERE id = $1`, other.claim)
	if st := b.status(); st.Rescue.Claims != 1 || st.At.Sub(st.Rescue.Since) < time.Minute {
		t.Errorf("rescue: %+v", st.Rescue)
	}
}

// The newest orders that have work are named wherever it is, and an order that ended is not.
func TestStatusNamesOrdersInProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "oldest"), names("o", 2)...)
	b.submit(newOrder(record.Whois, "fresh"), names("f", 7)...)
	h := b.running(record.Register, names("r", 4)...)
	progress := func() string {
		var lines []string
		for _, o := range b.status().Orders {
			lines = append(lines, fmt.Sprintf("%s %d of %d, %d fresh", o.Kind, o.Ended, o.Total, o.Undelivered))
		}
		return strings.Join(lines, "; ")
	}
	const others = "; whois 0 of 7, 7 fresh; whois 0 of 2, 2 fresh"
	if got := progress(); got != "register 0 of 4, 0 fresh"+others {
		t.Errorf("running: %s", got)
	}
	ids := h.ids()
	b.settle(h, ledger.Retry(ids[0], time.Hour, "busy"), ledger.Hold(ids[1], "no money"), ledger.Fail(ids[2], record.Rejected, "no"),
		ledger.Fail(ids[3], record.Rejected, "no"))
	if got := progress(); got != "register 2 of 4, 0 fresh"+others {
		t.Errorf("waiting and held: %s", got)
	}
	b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted', finished_at = now(), wake_at = NULL WHERE id = $1`, ids[0])
	if got := progress(); got != "register 3 of 4, 0 fresh"+others {
		t.Errorf("held: %s", got)
	}
	b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted', finished_at = now() WHERE id = $1`, ids[1])
	if got := "; " + progress(); got != others {
		t.Errorf("ended: %s", got)
	}
	for i := range fleet.StatusInProgress {
		b.submit(newOrder(record.Whois, fmt.Sprint("new", i)), "n.nl")
	}
	if got := b.status().Orders; len(got) != fleet.StatusInProgress || got[0].Reference != "new4" || got[4].Reference != "new0" {
		t.Errorf("newest: %+v", got)
	}
}

// It reads by indexes alone: no plan reads a table of jobs.
func TestStatusScansNoTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "large"), names("x", 3000)...)
	conn, err := b.db.Acquire(t.Context()) // whose statistics are told before it is asked
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE jobs SET state = 'succeeded', outcome = 'registered', finished_at = now() WHERE seq > 10`,
		`DELETE FROM chunks`, `ANALYZE`, `SELECT pg_stat_force_next_flush()`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	conn.Release()
	const read = `SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname IN ('jobs', 'chunks', 'claims')`
	before := get[int64](b, read)
	reader := b.open(store.Options{MaxConns: 1})
	if _, err := reader.Fleet.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Orders.NeedingPerson(t.Context(), "", 10); err != nil {
		t.Fatal(err)
	}
	reader.Close() // a connection that ends tells its statistics
	b.eventually(func() bool {
		return get[int64](b, `SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_unconfirmed'`) > 0
	})
	if after := get[int64](b, read); after != before {
		t.Errorf("it read %d rows in order", after-before)
	}
}

func TestOrdersNeedingPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	list := func() string {
		t.Helper()
		orders, err := b.store.Orders.NeedingPerson(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range orders {
			names = append(names, o.Reference)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	b.submit(newOrder(record.Register, "fine"), "fine.nl")
	paused := b.submit(newOrder(record.Whois, "paused"), "p.nl").Order
	if got := list(); got != "" {
		t.Errorf("nothing waits, and it lists %s", got)
	}
	if _, _, err := b.store.Holds.PauseOrder(t.Context(), paused, holds.Pause{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "paused" {
		t.Errorf("it lists %s", got)
	}
	hold := holds.NewHold{Account: "default", Reason: holds.Outage, Scope: holds.ScopeRegister, Words: "x", ProbeEvery: time.Hour}
	if _, err := b.store.Holds.Hold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "paused" {
		t.Errorf("an outage goes by itself, and it lists %s", got)
	}
	b.exec(`INSERT INTO holds (account, reason, scope, words, ends_at) VALUES ('default', 'daily_limit', 'register', '', now() + interval '1 hour')`)
	if got := list(); got != "paused" {
		t.Errorf("a day that is used up goes by itself, and it lists %s", got)
	}
	hold.Reason = holds.Payment
	if _, err := b.store.Holds.Hold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "fine paused" {
		t.Errorf("with a hold it lists %s", got)
	}
	b.exec(`DELETE FROM chunks; UPDATE jobs SET state = 'held' WHERE kind = 'register'`)
	if got := list(); got != "fine paused" {
		t.Errorf("with held jobs it lists %s", got)
	}
}

func TestJobsOfDomain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := newJobs("a.nl", "b.nl")
	second := newJobs("a.nl")
	for _, o := range []struct {
		kind record.Kind
		name string
		jobs []orders.NewJob
	}{{record.Whois, "one", first}, {record.Register, "two", second}} {
		if _, err := b.store.Orders.Submit(t.Context(), newOrder(o.kind, o.name), yielded(o.jobs)); err != nil {
			t.Fatal(err)
		}
	}
	jobs, total, err := b.store.Orders.JobsOfDomain(t.Context(), "a.nl", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if total != 2 || len(jobs) != 2 || jobs[0].ID != first[0].ID || jobs[1].ID != second[0].ID {
		t.Errorf("got %d, %+v", total, jobs)
	}
	if jobs, total, err := b.store.Orders.JobsOfDomain(t.Context(), "a.nl", "", 1); err != nil || total != 2 || len(jobs) != 1 || jobs[0].ID != second[0].ID {
		t.Errorf("the newest: %d, %+v, %v", total, jobs, err)
	}
	for _, none := range [][2]string{{"c.nl", ""}, {"a.nl", "other"}} {
		if jobs, total, err := b.store.Orders.JobsOfDomain(t.Context(), none[0], none[1], 10); err != nil || total+len(jobs) != 0 {
			t.Errorf("of %q: %d, %+v, %v", none, total, jobs, err)
		}
	}
}
