package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
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
	b.submit(newOrder(store.Register, "r"), "a.nl", "b.nl", "c.nl")
	c := newClaim(store.Register)
	c.Lease = time.Minute
	h := b.claim(c, b.fresh(store.Register))
	call := newCall(h.claim, store.OpRegister)
	call.Timeout, call.Lease, call.Size = 2*time.Minute, 3*time.Minute, 99
	sent, err := b.store.Intend(t.Context(), store.Intent{Call: call, Jobs: h.ids()[:2]})
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, h.ids()[:2])
	for i, j := range h.jobs {
		got, calls, err := b.store.FindJob(t.Context(), j.ID)
		if err != nil || got.State != store.Running {
			t.Errorf("%s is %s, %v", j.Domain, got.State, err)
		}
		b.wantWake(got.WakeAt, 3*time.Minute)
		if i == 2 {
			if len(calls) != 0 || len(b.attempts(j.Domain)) != 0 {
				t.Errorf("%s was not to be sent, and has the calls %v", j.Domain, calls)
			}
			continue
		}
		if len(calls) != 1 || calls[0].ID != call.ID || calls[0].Size != 2 || calls[0].Attempt != store.AttemptOpen {
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
	other := b.running(store.Register, "other.nl")
	b.submit(newOrder(store.Register, "r"), "ended.nl", "given-back.nl", "mine.nl", "queued.nl")
	jobs := b.fresh(store.Register)
	h := b.claim(newClaim(store.Register), pick(jobs, "ended.nl", "given-back.nl", "mine.nl"))
	b.settle(h, store.Fail(h.jobs[0].ID, store.Taken, ""), store.Retry(h.jobs[1].ID, 0, ""))
	ids := append(h.ids(), other.ids()[0], pick(jobs, "queued.nl")[0].ID, newID())

	in := store.Intent{Call: newCall(h.claim, store.OpRegister), Jobs: ids}
	sent, err := b.store.Intend(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, h.ids()[2:])
	if size := get[int](b, `SELECT size FROM calls`); size != 1 {
		t.Errorf("the call's size is %d, want 1", size)
	}

	// With nothing to send there is no call either.
	b.settlePaid(h, in.Call.ID, map[string]store.PaidTransition{
		"mine.nl": {Transition: store.Succeed(h.jobs[2].ID, store.Registered), Attempt: store.AttemptRegistered},
	})
	b.submit(newOrder(store.Register, "more"), "more.nl")
	h = b.claim(newClaim(store.Register), b.fresh(store.Register))
	none := store.Intent{Call: newCall(h.claim, store.OpRegister), Jobs: ids}
	if sent, err := b.store.Intend(t.Context(), none); err != nil || len(sent) != 0 {
		t.Errorf("may send %v, %v", sent, err)
	}
	if n := get[int](b, `SELECT count(*) FROM calls`); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestOneOpenAttemptPerDomain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Register, "a.nl", "b.nl")
	one := batch{claim: h.claim, jobs: h.jobs[:1]}
	first := b.intend(one)
	for _, state := range []store.AttemptState{store.AttemptOpen, store.AttemptUnknown} {
		b.exec(`UPDATE attempts SET state = $1 WHERE call_id = $2`, state, first)
		in := store.Intent{Call: newCall(h.claim, store.OpRegister), Jobs: h.ids()}
		sent, err := b.store.Intend(t.Context(), in)
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
	b.submit(newOrder(store.Register, "next"), "a.nl")
	next := b.claim(newClaim(store.Register), b.fresh(store.Register))
	if sent, err := b.store.Intend(t.Context(), store.Intent{Call: newCall(next.claim, store.OpRegister), Jobs: next.ids()}); err != nil || len(sent) != 0 {
		t.Errorf("may send %v, %v", sent, err)
	}
}

func TestIntendClearsWhatTheReadingsHaveCleared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Register, "a.nl", "b.nl", "c.nl")
	lost := b.intend(h)
	b.passLease(h.claim)
	b.expire(-time.Hour)
	h = b.again(store.Register, 3)
	// b.nl has not been cleared; c.nl has been, and its attempt had its answer in time.
	b.exec(`UPDATE attempts SET state = 'not_sent', resolved_at = now(), resolved_by = 'reply' WHERE domain = 'c.nl'`)
	b.overdue()
	b.checked(batch{claim: h.claim, jobs: []store.ClaimedJob{h.jobs[0], h.jobs[2]}})
	in := store.Intent{
		Call: newCall(h.claim, store.OpRegister), Jobs: h.ids(), Cleared: []uuid.UUID{h.jobs[0].ID, h.jobs[2].ID},
	}
	sent, err := b.store.Intend(t.Context(), in)
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
	_, calls, err := b.store.FindJob(t.Context(), h.jobs[0].ID)
	if err != nil || len(calls) != 3 || calls[0].ID != lost || calls[0].Attempt != store.AttemptCleared || calls[2].Attempt != store.AttemptOpen {
		t.Errorf("calls of a.nl: %+v, %v", calls, err)
	}
}

// An attempt is cleared only by the claim that its job runs under.
func TestOthersAttemptsAreNotCleared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Register, "a.nl", "b.nl")
	b.intend(batch{claim: h.claim, jobs: h.jobs[:1]})
	b.exec(`UPDATE attempts SET state = 'unknown'`)
	other := b.running(store.Register, "c.nl")
	in := store.Intent{Call: newCall(other.claim, store.OpRegister), Jobs: other.ids(), Cleared: h.ids()}
	if sent, err := b.store.Intend(t.Context(), in); err != nil || len(sent) != 1 {
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
			h := b.running(store.Register, "a.nl", "b.nl")
			call := newID()
			if committed {
				call = b.intend(h)
			}
			withdrawn := map[string]store.PaidTransition{}
			for _, j := range h.jobs {
				withdrawn[j.Domain] = store.PaidTransition{
					Transition: store.RetryFree(j.ID, 0, "not recorded"), Attempt: store.AttemptNotSent, Message: "not recorded",
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
				if got := b.job(j.ID); got.State != store.Retrying || got.Attempts != 0 || got.LastError != "not recorded" {
					t.Errorf("%s is %s after %d attempts: %s", j.Domain, got.State, got.Attempts, got.LastError)
				}
			}
			b.intend(b.again(store.Register, 2)) // nothing bars the domains
		})
	}
}
