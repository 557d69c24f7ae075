package store_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func TestReleaseGivesBackWhatWasNotCalledFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "ended.nl", "open.nl", "retrying.nl", "untouched.nl", "untouched-too.nl")
	b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, "taken"), ledger.Retry(h.jobs[2].ID, time.Minute, "busy"))
	call := b.intend(batch{h.claim, h.jobs[1:2]})
	n, err := b.store.Ledger.Release(t.Context(), h.claim, time.Hour, "shutting down")
	if err != nil || n != 2 {
		t.Errorf("released %d, %v; want 2", n, err)
	}
	b.wantState(h.jobs[0].ID, "failed taken")
	b.wantState(h.jobs[1].ID, "running")
	b.wantWake(b.job(h.jobs[2].ID).WakeAt, time.Minute)
	for _, j := range h.jobs[3:] {
		got := b.job(j.ID)
		if got.State != record.Retrying || got.Attempts != 0 || got.LastError != "shutting down" {
			t.Errorf("%s is %s after %d attempts: %s", j.Domain, got.State, got.Attempts, got.LastError)
		}
		b.wantWake(got.WakeAt, time.Hour)
	}
	if b.closed(h.claim) {
		t.Error("the claim was closed, and nobody watches over its open attempt")
	}
	b.settlePaid(h, call, registered(batch{h.claim, h.jobs[1:2]}))
	if n := b.release(h.claim, 0); n != 0 || !b.closed(h.claim) {
		t.Errorf("released %d more, closed is %v", n, b.closed(h.claim))
	}
}

func TestReleaseOfAClaimThatHasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, h batch){
		"released": func(b *bench, h batch) { b.release(h.claim, 0) },
		"settled": func(b *bench, h batch) {
			b.settle(h, ledger.Retry(h.jobs[0].ID, 0, ""), ledger.Succeed(h.jobs[1].ID, record.Available))
		},
		"taken back":               func(b *bench, h batch) { b.passLease(h.claim); b.expire(0) },
		"taken back, claimed anew": func(b *bench, h batch) { b.passLease(h.claim); b.expire(0); b.again(record.Whois, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(record.Whois, "a.nl", "b.nl")
			end(b, h)
			before := b.fingerprint()
			if n := b.release(h.claim, 0); n != 0 || b.fingerprint() != before {
				t.Errorf("released %d jobs; something changed: %v", n, b.fingerprint() != before)
			}
		})
	}
	b := setup(t)
	if n := b.release(newID(), 0); n != 0 {
		t.Errorf("released %d jobs of no claim", n)
	}
}

func TestReleaseKeepsTheLastErrorUnlessItHasOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Whois, "a.nl")
	b.settle(h, ledger.Retry(h.jobs[0].ID, 0, "busy"))
	h = b.again(record.Whois, 1)
	b.release(h.claim, 0)
	if j := b.job(h.jobs[0].ID); j.LastError != "busy" || j.Attempts != 1 {
		t.Errorf("after %d attempts: %s", j.Attempts, j.LastError)
	}
}

func TestExpiredClaimsAreTakenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "ended.nl", "not-called.nl", "sent.nl")
	alive := b.running(record.Register, "alive.nl")
	b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, "taken"))
	check := newCall(h.claim, record.OpCheck)
	if err := b.store.Ledger.StartCall(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	call := b.intend(batch{h.claim, h.jobs[2:]}) // its deadline is in a minute
	b.passLease(h.claim)
	if e := b.expire(10 * time.Minute); !cmp.Equal(e, ledger.Expired{Claims: 1, Jobs: 2, Unknown: 1}) {
		t.Errorf("expired %+v", e)
	}
	if !b.closed(h.claim) || b.closed(alive.claim) {
		t.Errorf("closed: %v, and the living one's: %v", b.closed(h.claim), b.closed(alive.claim))
	}
	b.wantState(h.jobs[0].ID, "failed taken")
	b.wantState(alive.jobs[0].ID, "running")
	idle, sent := b.job(h.jobs[1].ID), b.job(h.jobs[2].ID)
	if idle.State != record.Queued || sent.State != record.Retrying {
		t.Errorf("not called for: %s, sent: %s", idle.State, sent.State)
	}
	b.wantWake(idle.WakeAt, 0)
	b.wantWake(sent.WakeAt, 11*time.Minute)
	if deadline := get[time.Time](b, `SELECT deadline FROM calls WHERE id = $1`, call); !sent.WakeAt.Equal(deadline.Add(10 * time.Minute)) {
		t.Errorf("waits until %v, want 10 min after the call's deadline of %v", sent.WakeAt, deadline)
	}
	if got := b.attempt(call, sent.ID); got != record.AttemptUnknown {
		t.Errorf("the attempt is %s", got)
	}
	if open := get[int](b, `SELECT count(*) FROM calls WHERE finished_at IS NULL OR error IS NULL`); open != 0 {
		t.Errorf("%d calls are without an end", open)
	}
	if again := b.expire(0); !cmp.Equal(again, ledger.Expired{}) {
		t.Errorf("expired again: %+v", again)
	}
	if late := b.claim(newClaim(record.Register), []record.DeliveredJob{{ID: idle.ID}}); len(late.jobs) != 1 {
		t.Error("the job that was not called for cannot be claimed by its delivery")
	}
}

// A job that a newer claim has is not taken back with the older one.
func TestOnlyTheNewestClaimTakesItsJobsBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.running(record.Whois, "a.nl", "b.nl")
	b.settle(old, ledger.Retry(old.jobs[0].ID, -time.Second, ""))
	b.again(record.Whois, 1)
	b.passLease(old.claim)
	if e := b.expire(0); !cmp.Equal(e, ledger.Expired{Claims: 1, Jobs: 1}) {
		t.Errorf("expired %+v", e)
	}
	b.wantState(old.jobs[0].ID, "running")
	b.wantState(old.jobs[1].ID, "queued")
}

func TestExpireClaimsIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		h := b.running(record.Whois, names(string(rune('a'+i)), 2)...)
		b.passLease(h.claim)
	}
	for _, want := range []int{2, 2, 1, 0} {
		e, err := b.store.Ledger.ExpireClaims(t.Context(), 2, 0)
		if err != nil || e.Claims != want || e.Jobs != 2*want {
			t.Errorf("expired %+v, %v; want %d claims", e, err, want)
		}
	}
}

// Two rescuers share the work, and a claim that is being renewed is left alone.
func TestExpireClaimsPassesOverLockedRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	renewed, dead := b.running(record.Whois, "a.nl"), b.running(record.Whois, "b.nl")
	b.passLease(renewed.claim)
	b.passLease(dead.claim)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `SELECT FROM claims WHERE id = $1 FOR UPDATE`, renewed.claim); err != nil {
		t.Fatal(err)
	}
	if e := b.expire(0); e.Claims != 1 || !b.closed(dead.claim) || b.closed(renewed.claim) {
		t.Errorf("expired %+v", e)
	}
}

// A reply that arrives while the lease passes is kept, whoever comes first.
func TestReplyAndRescuerAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl")
	call := b.intend(h)
	b.passLease(h.claim)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	// The rescuer is stopped in the middle of its work.
	for _, sql := range []string{
		`UPDATE claims SET closed_at = now()`,
		`UPDATE attempts SET state = 'unknown'`,
		`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '1 hour'`,
	} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var g errgroup.Group
	g.Go(func() error {
		_, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: call, Status: 200}, slices.Collect(maps.Values(registered(h))))
		return err
	})
	b.blocked(1)
	if err := errors.Join(tx.Commit(t.Context()), g.Wait()); err != nil {
		t.Fatal(err)
	}
	b.wantState(h.jobs[0].ID, "succeeded registered")
	if got := b.attempt(call, h.jobs[0].ID); got != record.AttemptRegistered {
		t.Errorf("the attempt is %s", got)
	}
}
