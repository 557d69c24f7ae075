package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// attempts lists how the attempts on a domain stand, oldest first.
func (b *bench) attempts(domain string) []string {
	b.t.Helper()
	return list[string](b, `
		SELECT state || coalesce(' by ' || resolved_by, '') FROM attempts WHERE domain = $1 ORDER BY opened_at, call_id`, domain)
}

func TestIntendOpensAnAttemptForEachJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "r"), "a.nl", "b.nl", "c.nl")
	c := newClaim(record.Register)
	c.Lease = time.Minute
	h := b.claim(c, b.fresh(record.Register))
	call := newCall(h.claim, record.OpRegister)
	call.Timeout, call.Lease, call.Size = 2*time.Minute, 3*time.Minute, 99
	sent, _, err := b.store.Ledger.Intend(t.Context(), ledger.Intent{Call: call, Jobs: h.ids()[:2]})
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, h.ids()[:2])
	for i, j := range h.jobs {
		got, calls, err := b.store.Orders.FindJob(t.Context(), j.ID)
		if err != nil || got.State != record.Running {
			t.Errorf("%s is %s, %v", j.Domain, got.State, err)
		}
		b.wantWake(got.WakeAt, 3*time.Minute)
		if i == 2 {
			if len(calls) != 0 || len(b.attempts(j.Domain)) != 0 {
				t.Errorf("%s was not to be sent, and has the calls %v", j.Domain, calls)
			}
			continue
		}
		if len(calls) != 1 || calls[0].ID != call.ID || calls[0].Size != 2 || calls[0].Attempt != record.AttemptOpen {
			t.Errorf("calls of %s: %+v", j.Domain, calls)
		}
	}
	b.wantWake(get[time.Time](b, `SELECT deadline FROM calls`), 2*time.Minute)
}

func sameIDs(t *testing.T, got, want []uuid.UUID) {
	t.Helper()
	sorted := func(ids []uuid.UUID) []string {
		out := make([]string, len(ids))
		for i, id := range ids {
			out[i] = id.String()
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

// Only what runs under this very claim may be sent.
func TestIntendLeavesOutWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.running(record.Register, "other.nl")
	b.submit(newOrder(record.Register, "r"), "ended.nl", "given-back.nl", "mine.nl", "queued.nl")
	jobs := b.fresh(record.Register)
	h := b.claim(newClaim(record.Register), pick(jobs, "ended.nl", "given-back.nl", "mine.nl"))
	b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, ""), ledger.Retry(h.jobs[1].ID, 0, ""))
	ids := append(h.ids(), other.ids()[0], pick(jobs, "queued.nl")[0].ID, newID())

	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: ids}
	sent, _, err := b.store.Ledger.Intend(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, h.ids()[2:])
	if size := get[int](b, `SELECT size FROM calls`); size != 1 {
		t.Errorf("the call's size is %d, want 1", size)
	}

	// With nothing to send there is no call either.
	b.settlePaid(h, in.Call.ID, map[string]ledger.PaidTransition{
		"mine.nl": {Transition: ledger.Succeed(h.jobs[2].ID, record.Registered), Attempt: record.AttemptRegistered},
	})
	b.submit(newOrder(record.Register, "more"), "more.nl")
	h = b.claim(newClaim(record.Register), b.fresh(record.Register))
	none := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: ids}
	if sent, _, err := b.store.Ledger.Intend(t.Context(), none); err != nil || len(sent) != 0 {
		t.Errorf("may send %v, %v", sent, err)
	}
	if n := get[int](b, `SELECT count(*) FROM calls`); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestOneOpenAttemptPerDomain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	one := batch{claim: h.claim, jobs: h.jobs[:1]}
	first := b.intend(one)
	for _, state := range []record.AttemptState{record.AttemptOpen, record.AttemptUnknown} {
		b.exec(`UPDATE attempts SET state = $1 WHERE call_id = $2`, state, first)
		in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids()}
		sent, _, err := b.store.Ledger.Intend(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		sameIDs(t, sent, h.ids()[1:])
		if n := get[int](b, `SELECT count(*) FROM attempts WHERE domain = 'a.nl'`); n != 1 {
			t.Errorf("%d attempts beside one that is %s", n, state)
		}
		b.exec(`UPDATE attempts SET state = 'not_sent', resolved_at = now(), resolved_by = 'reply' WHERE call_id = $1`, in.Call.ID)
	}
	// What another job's call left unanswered bars the domain all the same.
	b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted', finished_at = now() WHERE domain = 'a.nl'`)
	b.submit(newOrder(record.Register, "next"), "a.nl")
	next := b.claim(newClaim(record.Register), b.fresh(record.Register))
	if sent, _, err := b.store.Ledger.Intend(t.Context(), ledger.Intent{Call: newCall(next.claim, record.OpRegister), Jobs: next.ids()}); err != nil || len(sent) != 0 {
		t.Errorf("may send %v, %v", sent, err)
	}
}

func TestIntendClearsWhatTheReadingsHaveCleared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl", "c.nl")
	lost := b.intend(h)
	b.passLease(h.claim)
	b.expire(-time.Hour)
	h = b.again(record.Register, 3)
	// b.nl has not been cleared; c.nl has been, and its attempt had its answer in time.
	b.exec(`UPDATE attempts SET state = 'not_sent', resolved_at = now(), resolved_by = 'reply' WHERE domain = 'c.nl'`)
	b.overdue()
	b.checked(batch{claim: h.claim, jobs: []ledger.ClaimedJob{h.jobs[0], h.jobs[2]}})
	in := ledger.Intent{
		Call: newCall(h.claim, record.OpRegister), Jobs: h.ids(), Cleared: []uuid.UUID{h.jobs[0].ID, h.jobs[2].ID},
	}
	sent, _, err := b.store.Ledger.Intend(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, []uuid.UUID{h.jobs[0].ID, h.jobs[2].ID})
	for domain, want := range map[string][]string{
		"a.nl": {"cleared by readings", "open"},
		"b.nl": {"unknown"},
		"c.nl": {"not_sent by reply", "open"},
	} {
		if got := b.attempts(domain); !slices.Equal(got, want) {
			t.Errorf("attempts on %s: %v, want %v", domain, got, want)
		}
	}
	_, calls, err := b.store.Orders.FindJob(t.Context(), h.jobs[0].ID)
	if err != nil || len(calls) != 3 || calls[0].ID != lost || calls[0].Attempt != record.AttemptCleared || calls[2].Attempt != record.AttemptOpen {
		t.Errorf("calls of a.nl: %+v, %v", calls, err)
	}
}

// An attempt is cleared only by the claim that its job runs under.
func TestOthersAttemptsAreNotCleared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	b.intend(batch{claim: h.claim, jobs: h.jobs[:1]})
	b.exec(`UPDATE attempts SET state = 'unknown'`)
	other := b.running(record.Register, "c.nl")
	in := ledger.Intent{Call: newCall(other.claim, record.OpRegister), Jobs: other.ids(), Cleared: h.ids()}
	if sent, _, err := b.store.Ledger.Intend(t.Context(), in); err != nil || len(sent) != 1 {
		t.Errorf("may send %v, %v", sent, err)
	}
	if got := b.attempts("a.nl"); !slices.Equal(got, []string{"unknown"}) {
		t.Errorf("attempts on a.nl: %v", got)
	}
}

// The intent was perhaps committed, and certainly not followed by a call.
func TestIntentIsWithdrawn(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"after its commit": true, "that was never committed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(record.Register, "a.nl", "b.nl")
			call := newID()
			if committed {
				call = b.intend(h)
			}
			withdrawn := map[string]ledger.PaidTransition{}
			for _, j := range h.jobs {
				withdrawn[j.Domain] = ledger.PaidTransition{
					Transition: ledger.RetryFree(j.ID, 0, "not recorded"), Attempt: record.AttemptNotSent, Message: "not recorded",
				}
			}
			if n := b.settlePaid(h, call, withdrawn); n != 2 {
				t.Errorf("%d jobs went back, want 2", n)
			}
			b.release(h.claim, 0)
			if !b.closed(h.claim) {
				t.Error("the claim is still open")
			}
			for _, j := range h.jobs {
				if got := b.attempts(j.Domain); committed != slices.Equal(got, []string{"not_sent by reply"}) {
					t.Errorf("attempts on %s: %v", j.Domain, got)
				}
				if got := b.job(j.ID); got.State != record.Retrying || got.Attempts != 0 || got.LastError != "not recorded" {
					t.Errorf("%s is %s after %d attempts: %s", j.Domain, got.State, got.Attempts, got.LastError)
				}
			}
			b.intend(b.again(record.Register, 2)) // nothing bars the domains
		})
	}
}
