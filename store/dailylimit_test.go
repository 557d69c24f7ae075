package store_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

// noon is far from every midnight.
var noon = time.Date(2030, 5, 14, 12, 0, 0, 0, time.UTC)

// within intends to pay for all jobs of a batch under a daily limit, and returns the call with what may be sent and what is too
// much.
func (b *bench) within(limit int, h batch) (call uuid.UUID, sent, over []uuid.UUID) {
	b.t.Helper()
	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids(), DailyLimit: limit}
	in.Call.Size = len(h.jobs)
	sent, over, err := b.store.Ledger.Intend(b.t.Context(), in)
	if err != nil {
		b.t.Fatal(err)
	}
	return in.Call.ID, sent, over
}

// wantDays checks how many registrations are counted, day by day, and that as many attempts are.
func (b *bench) wantDays(when string, want ...string) {
	b.t.Helper()
	got := list[string](b, `SELECT account || ' ' || day || ' ' || reserved FROM registration_days ORDER BY 1`)
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: counted %q, want %q", when, got, want)
	}
	if wrong := list[string](b, `
		SELECT d.account || ' ' || d.day || ' has ' || d.reserved || ' and ' || count(a) FROM registration_days d
		LEFT JOIN (attempts a JOIN jobs j ON j.id = a.job_id)
			ON a.reserved AND j.account = d.account AND (a.opened_at AT TIME ZONE 'UTC')::date = d.day
		GROUP BY d.account, d.day HAVING count(a) <> d.reserved`); len(wrong) > 0 {
		b.t.Errorf("%s: days and attempts differ: %q", when, wrong)
	}
}

func TestIntentStaysWithinTheDay(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, names("a", 5)...)
	call, sent, over := b.within(3, h)
	if !slices.Equal(sent, h.ids()[:3]) || !slices.Equal(over, h.ids()[3:]) {
		t.Errorf("of %v sent %v, and %v is over", h.ids(), sent, over)
	}
	if n := get[int](b, `SELECT size FROM calls WHERE id = $1`, call); n != 3 {
		t.Errorf("the call has %d jobs, want 3", n)
	}
	b.wantDays("after the first call", "default 2030-05-14 3")
	if n := get[int](b, `SELECT count(*) FROM attempts`); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	for _, id := range over {
		b.wantState(id, "running")
	}
	// Whoever is over is held, and so is the next call as a whole.
	b.settle(h, ledger.Hold(over[0], "used up"), ledger.Hold(over[1], "used up"))
	next := b.running(record.Register, names("b", 2)...)
	call, sent, over = b.within(3, next)
	if len(sent) != 0 || !slices.Equal(over, next.ids()) {
		t.Errorf("afterwards sent %v, and %v is over", sent, over)
	}
	if n := get[int](b, `SELECT count(*) FROM calls WHERE id = $1`, call); n != 0 {
		t.Error("a call was recorded that is not made")
	}
	b.wantDays("after the second call", "default 2030-05-14 3")
	if _, sent, over = b.within(4, next); len(sent) != 1 || len(over) != 1 {
		t.Errorf("with one more, %d are sent and %d over", len(sent), len(over))
	}
	if _, sent, over = b.within(2, batch{next.claim, next.jobs[1:]}); len(sent) != 0 || len(over) != 1 {
		t.Errorf("with a lower limit, %d are sent and %d over", len(sent), len(over))
	}
}

func TestWithoutADailyLimitNothingIsCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, names("a", 5)...)
	call := b.intend(h)
	b.wantDays("without a limit")
	if n := get[int](b, `SELECT count(*) FROM attempts WHERE reserved`); n != 0 {
		t.Errorf("%d attempts are counted", n)
	}
	b.settlePaid(h, call, registered(h))
	b.holdForDay(1, false)
	b.liftForDay(1, false)
}

// However many workers claim at once, as many as the day has go, and not one more.
func TestDailyLimitIsExact(t *testing.T) {
	t.Parallel()
	const workers, each, limit = 8, 5, 17
	b := setupAt(t, noon)
	batches := make([]batch, workers)
	for i := range batches {
		batches[i] = b.running(record.Register, names(fmt.Sprint("w", i), each)...)
	}
	var went, stayed atomic.Int32
	var g errgroup.Group
	for _, h := range batches {
		g.Go(func() error {
			for _, j := range h.jobs { // one by one, so that they take turns
				in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{j.ID}, DailyLimit: limit}
				sent, over, err := b.store.Ledger.Intend(t.Context(), in)
				if err != nil {
					return err
				}
				went.Add(int32(len(sent)))
				stayed.Add(int32(len(over)))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if went.Load() != limit || stayed.Load() != workers*each-limit {
		t.Errorf("%d went and %d stayed, want %d and %d", went.Load(), stayed.Load(), limit, workers*each-limit)
	}
	b.wantDays("after all", fmt.Sprint("default 2030-05-14 ", limit))
}

// An account's day is its own.
func TestAccountsHaveDaysOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	b.within(1, b.running(record.Register, "a.nl"))
	n := newOrder(record.Register, "partner")
	n.Account = "partner"
	b.submit(n, "b.nl")
	lot := lotOf(record.Register)
	lot.Account = "partner"
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lot, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := newClaim(record.Register)
	c.Account = "partner"
	if _, sent, over := b.within(1, b.claim(c, delivered(deliveries))); len(sent) != 1 || len(over) != 0 {
		t.Errorf("sent %v, over %v", sent, over)
	}
	b.wantDays("after both", "default 2030-05-14 1", "partner 2030-05-14 1")
}

// Only what surely was not bought is counted no longer, and once, however often its reply is written down.
func TestWhatWasNotBoughtIsGivenBackOnce(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	ends := []record.AttemptState{
		record.AttemptRegistered, record.AttemptFailed, record.AttemptRefused, record.AttemptNotSent, record.AttemptUnknown,
	}
	h := b.running(record.Register, names("a", len(ends)+1)...)
	call, _, _ := b.within(10, h)
	transitions := map[string]ledger.PaidTransition{}
	for i, state := range ends {
		j := h.jobs[i]
		end := ledger.Retry(j.ID, time.Hour, "again")
		if state == record.AttemptRegistered {
			end = ledger.Succeed(j.ID, record.Registered)
		}
		transitions[j.Domain] = ledger.PaidTransition{Transition: end, Attempt: state}
	}
	b.wantDays("when all are sent", "default 2030-05-14 6")
	for range 3 {
		b.settlePaid(h, call, transitions)
		b.wantDays("after the reply", "default 2030-05-14 4")
	}
	// The worker of the last job goes away: nobody knows what became of it.
	b.passLease(h.claim)
	b.expire(time.Hour)
	b.wantDays("after the lease", "default 2030-05-14 4")
	// A late reply says that nothing was bought, for that job and for the one without an answer.
	late := ledger.PaidTransition{Attempt: record.AttemptFailed}
	for _, j := range h.jobs[4:] {
		late.Transition = ledger.Fail(j.ID, record.Rejected, "no")
		b.settlePaid(h, call, map[string]ledger.PaidTransition{j.Domain: late})
	}
	b.wantDays("after the late reply", "default 2030-05-14 2")
}

// An intent that was perhaps committed and not followed by a call is withdrawn.
func TestWithdrawnIntentIsGivenBack(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, "a.nl")
	withdrawn := map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.RetryFree(h.jobs[0].ID, 0, "not recorded"), Attempt: record.AttemptNotSent},
	}
	b.settlePaid(h, newID(), withdrawn) // it was not committed
	b.wantDays("without an intent")
	h = b.again(record.Register, 1)
	call, _, _ := b.within(1, h)
	b.settlePaid(h, call, withdrawn)
	b.wantDays("withdrawn", "default 2030-05-14 0")
	if _, sent, _ := b.within(1, b.again(record.Register, 1)); len(sent) != 1 {
		t.Error("the day is used up by what was withdrawn")
	}
}

// Halves of a batch that was refused go again: each of them is one registration, and the bad one is none in the end.
func TestRefusedJobsAreCountedOnce(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, "bad.nl", "good.nl")
	refuse := func(call uuid.UUID, jobs ...ledger.ClaimedJob) {
		refused := map[string]ledger.PaidTransition{}
		for _, j := range jobs {
			refused[j.Domain] = ledger.PaidTransition{Transition: ledger.Stay(j.ID), Attempt: record.AttemptRefused, StatusCode: 422}
		}
		b.settlePaid(h, call, refused)
	}
	call, _, _ := b.within(2, h)
	refuse(call, h.jobs...)
	bad, good := batch{h.claim, h.jobs[:1]}, batch{h.claim, h.jobs[1:]}
	b.holdForDay(2, true) // somebody else was over
	call, sent, over := b.within(2, bad)
	if len(sent) != 1 || len(over) != 0 {
		t.Fatalf("sent %v again, over %v", sent, over)
	}
	refuse(call, bad.jobs...)
	if call, sent, over = b.within(2, good); len(sent) != 1 || len(over) != 0 {
		t.Fatalf("sent %v again, over %v", sent, over)
	}
	b.settlePaid(h, call, registered(good))
	b.wantDays("before the bad one has ended", "default 2030-05-14 2")
	for range 2 {
		r := ledger.CheckResult{Transitions: []ledger.Transition{ledger.Fail(bad.jobs[0].ID, record.Rejected, "no")}}
		if _, err := b.store.Ledger.SettleCheck(t.Context(), h.claim, r); err != nil {
			t.Fatal(err)
		}
		b.wantDays("when it has ended", "default 2030-05-14 1")
	}
}

// What had no answer stays counted, also where WHOIS has shown that it had no effect.
func TestClearedJobsStayCounted(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, "a.nl")
	call, _, _ := b.within(1, h)
	b.settlePaid(h, call, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.RetryFree(h.jobs[0].ID, 0, "no answer"), Attempt: record.AttemptUnknown},
	})
	h = b.again(record.Register, 1)
	b.exec(`UPDATE attempts SET state = 'cleared', resolved_at = now(), resolved_by = 'readings'`)
	call, sent, over := b.within(1, h)
	if len(sent) != 1 || len(over) != 0 {
		t.Fatalf("sent %v again, over %v", sent, over)
	}
	b.settlePaid(h, call, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.Stay(h.jobs[0].ID), Attempt: record.AttemptFailed, StatusCode: 422},
	})
	r := ledger.CheckResult{Transitions: []ledger.Transition{ledger.Fail(h.jobs[0].ID, record.Rejected, "no")}}
	if _, err := b.store.Ledger.SettleCheck(t.Context(), h.claim, r); err != nil {
		t.Fatal(err)
	}
	b.wantState(h.jobs[0].ID, "failed rejected")
	b.wantDays("at last", "default 2030-05-14 1")
}

// What goes again on the next day is counted on that one, too: nobody knows on which it is bought.
func TestGoingAgainOnTheNextDayIsCountedThere(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, "a.nl")
	call, _, _ := b.within(1, h)
	b.settlePaid(h, call, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.Stay(h.jobs[0].ID), Attempt: record.AttemptRefused},
	})
	b.set(noon.Add(12 * time.Hour))
	b.exec(`UPDATE claims SET lease_until = now() + interval '1 hour'`)
	if _, sent, _ := b.within(1, h); len(sent) != 1 {
		t.Error("not sent on the next day")
	}
	b.wantDays("on the next day", "default 2030-05-14 1", "default 2030-05-15 1")
}
