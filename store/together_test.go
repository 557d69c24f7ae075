package store_test

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

// available are the transitions of jobs that nobody has registered.
func available(h batch) []ledger.Transition {
	transitions := make([]ledger.Transition, len(h.jobs))
	for i, j := range h.jobs {
		transitions[i] = ledger.Succeed(j.ID, record.Available)
	}
	return transitions
}

// parted claims so many batches of checks of so many jobs.
func (b *bench) parted(batches, jobs int) []batch {
	b.t.Helper()
	b.submit(newOrder(record.Whois, "parted"), names("a", batches*jobs)...)
	all := b.fresh(record.Whois)
	parts := make([]batch, batches)
	for i := range parts {
		parts[i] = b.claim(newClaim(record.Whois), all[i*jobs:(i+1)*jobs])
		b.start(parts[i], record.OpWhois)
	}
	return parts
}

// What calls brought that end at about the same time is written in fewer transactions than there are calls, and each is told of its own.
func TestSettleTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const batches, jobs = 40, 5
	parts := b.parted(batches, jobs)
	late := parts[batches-1]
	b.passLease(late.claim)
	if e := b.expire(time.Minute); e.Jobs != jobs {
		t.Fatalf("%+v", e)
	}
	b.again(record.Whois, jobs) // claimed anew, and so by nobody who says that they failed
	together := b.store.Ledger.Together()
	var ready sync.WaitGroup
	ready.Add(batches)
	var group errgroup.Group
	for i, h := range parts {
		group.Go(func() error {
			transitions := available(h)
			want := jobs
			if i == batches-1 {
				for k, j := range h.jobs {
					transitions[k] = ledger.Fail(j.ID, record.Rejected, "too late")
				}
				want = 0
			}
			ready.Done()
			ready.Wait()
			n, err := together.Settle(t.Context(), h.claim, ledger.CallResult{ID: newID(), Status: 200}, transitions)
			if n != want {
				t.Errorf("call %d settled %d jobs, want %d", i, n, want)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE outcome = 'available'`); n != (batches-1)*jobs {
		t.Errorf("%d jobs ended", n)
	}
	if n := get[int](b, `SELECT count(*) FROM claims WHERE closed_at IS NULL`); n != 1 {
		t.Errorf("%d claims are open", n)
	}
	if n := get[int](b, `SELECT count(DISTINCT xmin::text) FROM jobs WHERE outcome = 'available'`); n >= batches-1 {
		t.Errorf("%d transactions settled %d calls", n, batches-1)
	}
}

// Who has to wait for a lock, and what Postgres refuses, keeps nobody else from being settled.
func TestSettleTogetherWaitsForNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const batches = 10
	parts := b.parted(batches, 2)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `SELECT FROM claims WHERE id = $1 FOR UPDATE`, parts[0].claim); err != nil {
		t.Fatal(err)
	}
	refused := available(parts[1])
	refused[1] = ledger.Succeed(parts[1].jobs[1].ID, record.Registered) // which no check ends as
	together := b.store.Ledger.Together()
	settle := func(h batch, transitions []ledger.Transition) error {
		_, err := together.Settle(t.Context(), h.claim, ledger.CallResult{ID: newID(), Status: 200}, transitions)
		return err
	}
	var waiting, others errgroup.Group
	waiting.Go(func() error { return settle(parts[0], available(parts[0])) })
	var bad error
	others.Go(func() error {
		bad = settle(parts[1], refused)
		return nil
	})
	for _, h := range parts[2:] {
		others.Go(func() error { return settle(h, available(h)) })
	}
	if err := others.Wait(); err != nil {
		t.Error(err)
	}
	if bad == nil {
		t.Error("what Postgres refuses passed for settled")
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE outcome = 'available'`); n != 2*(batches-2) {
		t.Errorf("%d jobs ended", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Error(err)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE outcome = 'available'`); n != 2*(batches-1) {
		t.Errorf("%d jobs ended at last", n)
	}
}
