package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

func (b *bench) settlePaid(h batch, call uuid.UUID, byDomain map[string]ledger.PaidTransition) int {
	b.t.Helper()
	var transitions []ledger.PaidTransition
	for _, t := range byDomain {
		transitions = append(transitions, t)
	}
	n, err := b.store.Ledger.SettlePaid(b.t.Context(), h.claim, ledger.CallResult{ID: call, Status: 200}, transitions)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// registered is a success for every job of a batch.
func registered(h batch) map[string]ledger.PaidTransition {
	out := map[string]ledger.PaidTransition{}
	for _, j := range h.jobs {
		out[j.Domain] = ledger.PaidTransition{Transition: ledger.Succeed(j.ID, record.Registered), Attempt: record.AttemptRegistered}
	}
	return out
}

func TestSettlePaidIsFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The attempt fits the reply; a registered one has rules of its own, below.
	attempts := map[string]record.AttemptState{
		"fail": record.AttemptFailed, "retry": record.AttemptRefused, "retry free": record.AttemptUnknown,
		"unconfirm": record.AttemptRefused, "stay": record.AttemptRefused,
	}
	for i, where := range whereabouts {
		h := b.running(record.Register, names(fmt.Sprint("job", i), len(attempts))...)
		where.bring(b, h)
		transitions := map[string]ledger.PaidTransition{}
		want := map[string]string{}
		for _, r := range replies() {
			if attempts[r.name] == "" {
				continue
			}
			j := h.jobs[len(transitions)]
			transitions[j.Domain] = ledger.PaidTransition{Transition: r.make(j.ID), Attempt: attempts[r.name]}
			want[r.name+" "+j.ID.String()] = where.standing
			if where.takes(r.asPaid()) {
				want[r.name+" "+j.ID.String()] = r.want
			}
		}
		b.settlePaid(h, newID(), transitions)
		for key, want := range want {
			id := uuid.MustParse(key[len(key)-36:])
			if got := standing(b.job(id)); got != want {
				t.Errorf("%s, %s: the job is %s, want %s", where.name, key[:len(key)-37], got, want)
			}
		}
	}
}

// An attempt that has a definite end keeps it. One that is held to have had no effect may turn out to have had one.
func TestAttemptEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := []record.AttemptState{
		record.AttemptOpen, record.AttemptUnknown, record.AttemptCleared, record.AttemptRegistered, record.AttemptFailed,
		record.AttemptRefused, record.AttemptNotSent,
	}
	ends := []record.AttemptState{
		record.AttemptRegistered, record.AttemptFailed, record.AttemptRefused, record.AttemptNotSent, record.AttemptUnknown,
	}
	for _, from := range before {
		for _, to := range ends {
			domain := fmt.Sprintf("%s-%s.nl", from, to)
			h := b.running(record.Register, domain)
			call := b.intend(h)
			b.exec(`UPDATE attempts SET state = $1, message = 'before',
				resolved_at = CASE WHEN $1 NOT IN ('open', 'unknown') THEN now() END,
				resolved_by = CASE WHEN $1 NOT IN ('open', 'unknown') THEN 'before' END WHERE call_id = $2`, from, call)
			transition := ledger.Retry(h.jobs[0].ID, time.Hour, "again")
			if to == record.AttemptRegistered {
				transition = ledger.Succeed(h.jobs[0].ID, record.Registered)
			}
			b.settlePaid(h, call, map[string]ledger.PaidTransition{domain: {Transition: transition, Attempt: to, StatusCode: 422, Message: "after"}})
			changes := from == record.AttemptOpen || from == record.AttemptUnknown || from == record.AttemptCleared && to == record.AttemptRegistered
			want := string(from) + " before by before"
			switch {
			case changes && to == record.AttemptUnknown:
				want = "unknown after by nobody 422"
			case changes:
				want = string(to) + " after by reply 422"
			}
			got := get[string](b, `SELECT state || ' ' || message || ' by ' || coalesce(resolved_by, 'nobody') || coalesce(' ' || status_code, '')
				FROM attempts WHERE call_id = $1`, call)
			if got != want {
				t.Errorf("%s, then %s: the attempt is %q, want %q", from, to, got, want)
			}
			b.wantAttemptShown(h.jobs[0].ID, call)
		}
	}
}

// wantAttemptShown checks that the reader sees the attempt as it is stored.
func (b *bench) wantAttemptShown(job, call uuid.UUID) {
	b.t.Helper()
	_, calls, err := b.store.Orders.FindJob(b.t.Context(), job)
	if err != nil || len(calls) != 1 || calls[0].Attempt != b.attempt(call, job) || calls[0].Message == "" {
		b.t.Errorf("calls are %+v, %v", calls, err)
	}
}

// lost makes a register call whose worker went away, and whose attempt is unknown from then on.
func (b *bench) lost(domains ...string) (batch, uuid.UUID) {
	b.t.Helper()
	h := b.running(record.Register, domains...)
	call := b.intend(h)
	b.passLease(h.claim)
	if e := b.expire(-time.Hour); e.Unknown != len(domains) {
		b.t.Fatalf("expired %+v, want %d unknown", e, len(domains))
	}
	return h, call
}

// A success that comes late counts, unless a newer call for the job is under way: then that one's reply decides, with
// the success on record.
func TestLateSuccess(t *testing.T) {
	t.Parallel()
	claimAnew := func(b *bench) batch { return b.again(record.Register, 1) }
	sendAnew := func(b *bench) (batch, uuid.UUID) {
		h := claimAnew(b)
		return h, b.intend(h, h.ids()...)
	}
	for name, c := range map[string]struct {
		meanwhile func(b *bench, h batch)
		want      string
	}{
		"to a job that waits":             {func(*bench, batch) {}, "succeeded registered"},
		"to a job that is delivered anew": {func(b *bench, _ batch) { b.due(record.Register) }, "succeeded registered"},
		"to a job that is claimed anew":   {func(b *bench, _ batch) { claimAnew(b) }, "succeeded registered"},
		"to one that a person looks at": {func(b *bench, _ batch) {
			h := claimAnew(b)
			b.settle(h, ledger.Unconfirm(h.jobs[0].ID, "taken"))
		}, "succeeded registered"},
		"while a newer call is under way": {func(b *bench, _ batch) { sendAnew(b) }, "running"},
		"after a newer call that never left": {func(b *bench, _ batch) {
			h, call := sendAnew(b)
			b.settlePaid(h, call, map[string]ledger.PaidTransition{
				"a.nl": {Transition: ledger.RetryFree(h.jobs[0].ID, time.Hour, ""), Attempt: record.AttemptNotSent},
			})
		}, "succeeded registered"},
		"after a newer call that nobody answered": {func(b *bench, _ batch) {
			h, call := sendAnew(b)
			b.settlePaid(h, call, map[string]ledger.PaidTransition{
				"a.nl": {Transition: ledger.RetryFree(h.jobs[0].ID, time.Hour, ""), Attempt: record.AttemptUnknown},
			})
		}, "succeeded registered"},
		"to a job that has ended": {func(b *bench, h batch) { b.bring(h, "failed exhausted") }, "failed exhausted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h, call := b.lost("a.nl")
			c.meanwhile(b, h)
			b.settlePaid(h, call, registered(h))
			b.wantState(h.jobs[0].ID, c.want)
			if got := b.attempt(call, h.jobs[0].ID); got != record.AttemptRegistered {
				t.Errorf("the late attempt is %s", got)
			}
		})
	}
}

// Where the late success could not end the job, its next claim sees it.
func TestLateSuccessDuringANewerCallIsNotForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, first := b.lost("a.nl")
	newer := b.again(record.Register, 1)
	second := b.intend(newer, newer.ids()...)
	b.settlePaid(h, first, registered(h))
	b.settlePaid(newer, second, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.RetryFree(newer.jobs[0].ID, -time.Hour, "taken"), Attempt: record.AttemptFailed, StatusCode: 422},
	})
	last := b.again(record.Register, 1)
	histories, err := b.store.Ledger.Histories(t.Context(), last.claim, ledger.Proof{})
	if err != nil || !histories[last.jobs[0].ID].Registered {
		t.Errorf("histories are %+v, %v", histories, err)
	}
}

// A job that ended by a late success is not sent by the worker that has it now.
func TestLateSuccessKeepsTheNewerClaimFromSending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.lost("a.nl", "b.nl")
	newer := b.again(record.Register, 2)
	b.settlePaid(h, call, registered(batch{claim: h.claim, jobs: h.jobs[:1]}))
	b.overdue()
	b.checked(newer)
	in := ledger.Intent{Call: newCall(newer.claim, record.OpRegister), Jobs: newer.ids(), Cleared: newer.ids()}
	sent, _, err := b.store.Ledger.Intend(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, sent, newer.ids()[1:])
}

// An answer other than a success that comes late is kept with the attempt, and leaves a newer claim's job alone.
func TestLateRefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.lost("a.nl", "b.nl")
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE id = $1`, h.jobs[1].ID)
	b.again(record.Register, 1)
	refused := map[string]ledger.PaidTransition{}
	for _, j := range h.jobs {
		refused[j.Domain] = ledger.PaidTransition{Transition: ledger.Fail(j.ID, record.Rejected, "no"), Attempt: record.AttemptFailed}
	}
	if n := b.settlePaid(h, call, refused); n != 1 {
		t.Errorf("%d jobs changed, want 1", n)
	}
	b.wantState(h.jobs[0].ID, "running")
	b.wantState(h.jobs[1].ID, "failed rejected")
	for _, domain := range []string{"a.nl", "b.nl"} {
		if got := b.attempts(domain); !slices.Equal(got, []string{"failed by reply"}) {
			t.Errorf("attempts on %s: %v", domain, got)
		}
	}
}

// What the upstream said is kept whatever code came with it.
func TestStatusCodesThatDoNotFit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	codes := []int{422, 1 << 31, 99_999_999_999, -1, 0}
	want := []string{"422 no", "0 statusCode 2147483648: no", "0 statusCode 99999999999: no", "0 statusCode -1: no", "0 no"}
	h := b.running(record.Register, names("a", len(codes))...)
	call := b.intend(h)
	refused := map[string]ledger.PaidTransition{}
	for i, j := range h.jobs {
		refused[j.Domain] = ledger.PaidTransition{
			Transition: ledger.Fail(j.ID, record.Rejected, "no"), Attempt: record.AttemptFailed, StatusCode: codes[i], Message: "no",
		}
	}
	if n := b.settlePaid(h, call, refused); n != len(codes) {
		t.Errorf("%d jobs changed", n)
	}
	if got := list[string](b, `SELECT coalesce(status_code, 0) || ' ' || message FROM attempts ORDER BY domain`); !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestBatchIsBisectedUnderOneClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, names("a", 4)...)
	whole := b.intend(h)
	stay := map[string]ledger.PaidTransition{}
	for _, j := range h.jobs {
		stay[j.Domain] = ledger.PaidTransition{Transition: ledger.Stay(j.ID), Attempt: record.AttemptRefused, StatusCode: 422}
	}
	if n := b.settlePaid(h, whole, stay); n != 0 {
		t.Errorf("%d jobs changed, want all to stay", n)
	}
	for _, half := range []batch{{h.claim, h.jobs[:2]}, {h.claim, h.jobs[2:]}} {
		b.settlePaid(half, b.intend(half), registered(half))
	}
	b.release(h.claim, 0)
	if !b.closed(h.claim) {
		t.Error("the claim is open")
	}
	for _, j := range h.jobs {
		b.wantState(j.ID, "succeeded registered")
		if got := b.attempts(j.Domain); !slices.Equal(got, []string{"refused by reply", "registered by reply"}) {
			t.Errorf("attempts on %s: %v", j.Domain, got)
		}
		if _, calls, err := b.store.Orders.FindJob(t.Context(), j.ID); err != nil || len(calls) != 2 || calls[0].Size != 4 || calls[1].Size != 2 {
			t.Errorf("calls of %s: %+v, %v", j.Domain, calls, err)
		}
	}
}
