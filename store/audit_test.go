package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) audit(o audit.Options) audit.Report {
	b.t.Helper()
	report, err := b.store.Audit.Run(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// sound checks that an audit finds nothing. Its grace is longer than what the histories set times back by, so that jobs are due
// at once.
func (b *bench) sound(when string) audit.Report {
	b.t.Helper()
	report := b.audit(audit.Options{Grace: 2 * time.Hour})
	for _, breach := range report.Breaches {
		b.t.Errorf("%s: %s %s %s: %s", when, breach.Invariant, breach.Domain, breach.Job, breach.What)
	}
	return report
}

// What waits for its turn is not overdue, and what is past its time for less than the grace neither.
func TestAuditGrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	working := b.running(record.Whois, "working.nl")
	b.submit(newOrder(record.Whois, "due"), "due.nl")
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET wake_at = now() - interval '10 minutes' WHERE domain = 'due.nl'`)
	count := func(grace time.Duration, want int) {
		t.Helper()
		if n := b.audit(audit.Options{Grace: grace}).Total(); n != want {
			t.Errorf("grace %v: %d breaches, want %d", grace, n, want)
		}
	}
	count(0, 1)
	count(time.Minute, 0) // its line moves
	count(9*time.Second, 1)
	b.settle(working, ledger.Succeed(working.jobs[0].ID, record.Available))
	b.exec(`UPDATE claims SET taken_at = now() - interval '5 minutes'`)
	count(time.Minute, 1)
	count(11*time.Minute, 0)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE domain = 'due.nl'`)
	count(0, 0)

	b.submit(newOrder(record.Whois, "chunk"), "chunk.nl")
	b.fresh(record.Whois)
	b.exec(`UPDATE chunks SET wake_at = now() - interval '10 seconds'`)
	count(time.Minute, 0)
	count(time.Second, 1)
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE domain = 'chunk.nl'`)
	running := b.running(record.Whois, "running.nl")
	b.exec(`UPDATE claims SET lease_until = now() - interval '10 seconds' WHERE id = $1`, running.claim)
	count(time.Minute, 0)
	count(time.Second, 1)
}

// Jobs that a prober wakes right now are not forgotten.
func TestAuditWatchesHeldJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Whois, names("x", 5)...)
	b.bring(h, "held")
	if r := b.audit(audit.Options{Grace: 10 * time.Millisecond}); r.Total() != 5 || r.Breaches[0].Invariant != "I2" {
		t.Errorf("forgotten jobs: %+v", r)
	}
	done := make(chan audit.Report, 1)
	go func() {
		report, err := b.store.Audit.Run(t.Context(), audit.Options{Grace: time.Minute})
		if err != nil {
			t.Error(err)
		}
		done <- report
	}()
	b.eventually(func() bool {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE '%held_account AS account%' AND state = 'idle'`) > 0
	})
	if n, err := b.store.Holds.WakeHeld(t.Context(), "default", 2); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	for _, breach := range (<-done).Breaches {
		t.Errorf("%s: %s", breach.Domain, breach.What)
	}
}

// Every breach is counted, and the first are listed.
func TestAuditIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), names("x", 250)...)
	b.exec(`DELETE FROM chunks`)
	for limit, want := range map[int]int{0: 100, 7: 7, 1000: 250} {
		report := b.audit(audit.Options{Limit: limit})
		if len(report.Breaches) != want || report.Total() != 250 {
			t.Fatalf("limit %d: %d of %d breaches are listed, want %d of 250", limit, len(report.Breaches), report.Total(), want)
		}
		for i, breach := range report.Breaches {
			if breach.Domain != names("x", 250)[i] {
				t.Errorf("limit %d: breach %d is about %s", limit, i, breach.Domain)
			}
		}
	}
}

// Nothing is locked, changed, or left behind in a session.
func TestAuditLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl")
	b.intend(h)
	s := b.open(store.Options{MaxConns: 1})
	before := b.fingerprint()
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, table := range []string{"orders", "jobs", "chunks", "claims", "calls", "attempts", "readings", "holds", "operator_acts"} {
		if _, err := tx.Exec(t.Context(), fmt.Sprintf(`LOCK TABLE %s IN EXCLUSIVE MODE`, table)); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := s.Audit.Run(t.Context(), audit.Options{}); err != nil || report.Total() != 0 {
		t.Errorf("it found %+v, %v", report, err)
	}
	if b.fingerprint() != before {
		t.Error("something changed")
	}
}
