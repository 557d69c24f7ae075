package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
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

// holdForDay lays the hold of a daily limit, and wants it to be laid or not.
func (b *bench) holdForDay(limit int, want bool) {
	b.t.Helper()
	if laid, err := b.store.Holds.HoldForDay(b.t.Context(), "default", limit, "used up"); err != nil || laid != want {
		b.t.Errorf("laid %v, %v, want %v", laid, err, want)
	}
}

func (b *bench) liftForDay(limit int, want bool) {
	b.t.Helper()
	if lifted, err := b.store.Holds.LiftForDay(b.t.Context(), "default", limit); err != nil || lifted != want {
		b.t.Errorf("lifted %v with the limit %d, %v, want %v", lifted, limit, err, want)
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
	h, call := b.running(record.Register, "a.nl"), uuid.Nil
	call, _, _ = b.within(1, h)
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

// The hold says when it ends, keeps registrations and nothing else, and ends at midnight in UTC.
func TestNextDayBeginsAtMidnight(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2030, 5, 15, 0, 0, 0, 0, time.UTC)
	b := setupAt(t, midnight.Add(-time.Second))
	today, tomorrow := b.running(record.Register, "a.nl"), b.running(record.Register, "b.nl")
	call, _, _ := b.within(1, today)
	b.holdForDay(1, true)
	b.holdForDay(1, false) // it stands
	views, err := b.store.Holds.List(t.Context())
	if err != nil || len(views) != 1 {
		t.Fatalf("holds %v, %v", views, err)
	}
	v := views[0]
	if v.Reason != holds.DailyLimit || v.Scope != holds.ScopeRegister || v.Words != "used up" || !v.EndsAt.Equal(midnight) || !v.NextProbeAt.IsZero() ||
		!v.Until().Equal(midnight) || v.Reason.NeedsPerson() || v.Reason.ByPerson() {
		t.Errorf("the hold is %+v", v)
	}
	if _, sent, over := b.within(1, tomorrow); len(sent) != 0 || len(over) != 1 {
		t.Errorf("under the hold sent %v, over %v", sent, over)
	}
	intent := ledger.Intent{Call: newCall(tomorrow.claim, record.OpRegister), Jobs: tomorrow.ids()} // of a worker that does not count
	if _, _, err := b.store.Ledger.Intend(t.Context(), intent); !errors.Is(err, holds.ErrHeld) {
		t.Errorf("an intent under the hold: %v", err)
	}
	standings, err := b.store.Holds.Standings(t.Context(), []string{"default"})
	if err != nil || !standings[0].UsedUp || !standings[0].Stopped.Register || standings[0].Stopped.All || standings[0].ProbeDue ||
		standings[0].NoCalls != (holds.Stopped{}) {
		t.Errorf("standings %+v, %v", standings, err)
	}
	b.liftForDay(1, false)
	b.set(midnight)
	b.liftForDay(1, true)
	b.liftForDay(1, false)
	if _, sent, over := b.within(1, tomorrow); len(sent) != 1 || len(over) != 0 {
		t.Errorf("on the next day sent %v, over %v", sent, over)
	}
	b.wantDays("on the next day", "default 2030-05-14 1", "default 2030-05-15 1")
	// A call counts on the day on which it began, whenever its reply comes.
	b.settlePaid(today, call, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.Fail(today.jobs[0].ID, record.Rejected, "no"), Attempt: record.AttemptFailed},
	})
	b.wantDays("after the late reply", "default 2030-05-14 0", "default 2030-05-15 1")
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

func TestGreaterLimitLiftsTheHold(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 3} {
		b := setupAt(t, noon)
		h := b.running(record.Register, "a.nl", "b.nl")
		call, _, _ := b.within(2, h)
		b.holdForDay(3, false) // that would not be used up
		b.holdForDay(2, true)
		b.liftForDay(1, false)
		b.liftForDay(2, false)
		b.liftForDay(limit, true)
		// One that turns out not to be bought leaves room, too.
		b.holdForDay(2, true)
		b.settlePaid(h, call, map[string]ledger.PaidTransition{
			"a.nl": {Transition: ledger.Fail(h.jobs[0].ID, record.Rejected, "no"), Attempt: record.AttemptFailed},
		})
		b.liftForDay(2, true)
	}
}

// Whoever resumes an account lets it have as many again on this day, and no more than that.
func TestResumeLetsTheDayBeginAnew(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	first, second, third := b.running(record.Register, "a.nl", "b.nl"), b.running(record.Register, "c.nl", "d.nl"), b.running(record.Register, "e.nl")
	b.within(2, first)
	b.holdForDay(2, true)
	plan, err := b.store.Holds.ResumePlan(t.Context(), "default")
	if err != nil || len(plan.Holds) != 1 || plan.Holds[0].Reason != holds.DailyLimit || !plan.Holds[0].EndsAt.Equal(noon.Add(12*time.Hour)) {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	if ended, err := b.store.Holds.CarryOutResume(t.Context(), "default", plan); err != nil || len(ended.Holds) != 1 {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	if _, sent, over := b.within(2, second); len(sent) != 2 || len(over) != 0 {
		t.Errorf("then sent %v, over %v", sent, over)
	}
	if standings, err := b.store.Holds.Standings(t.Context(), []string{"default"}); err != nil || standings[0].UsedUp {
		t.Errorf("standings %+v, %v", standings, err)
	}
	if _, sent, over := b.within(2, third); len(sent) != 0 || len(over) != 1 {
		t.Errorf("at last sent %v, over %v", sent, over)
	}
	b.wantDays("at last", "default 2030-05-14 4")
	b.holdForDay(2, true)
	b.liftForDay(2, false)
	// The next day has its own, whoever resumed what is over.
	b.set(noon.Add(24 * time.Hour))
	b.exec(`UPDATE claims SET lease_until = now() + interval '1 hour'`)
	b.resume()
	if _, sent, _ := b.within(2, third); len(sent) != 1 {
		t.Error("not sent on the next day")
	}
	if n := get[int](b, `SELECT resumed FROM registration_days WHERE day = '2030-05-15'`); n != 0 {
		t.Errorf("the next day begins at %d", n)
	}
}

// A probe of another hold is a registration like any other.
func TestProbesStayWithinTheDay(t *testing.T) {
	t.Parallel()
	b := setupAt(t, noon)
	h := b.running(record.Register, "a.nl", "b.nl")
	b.within(1, batch{h.claim, h.jobs[:1]})
	b.hold(holds.Payment, holds.ScopeRegister)
	b.settle(h, ledger.Hold(h.jobs[1].ID, "402"))
	p, due := b.takeProbe(record.Register)
	if !due {
		t.Fatal("no probe is due")
	}
	probe := b.claim(newClaim(record.Register), []record.DeliveredJob{p.Job})
	in := ledger.Intent{Call: newCall(probe.claim, record.OpRegister), Jobs: probe.ids(), DailyLimit: 1}
	in.Call.Probe = p.ID
	if sent, over, err := b.store.Ledger.Intend(t.Context(), in); err != nil || len(sent) != 0 || len(over) != 1 {
		t.Errorf("the probe sends %v, over %v, %v", sent, over, err)
	}
	b.holdForDay(1, true)
	in.Call.ID = newID()
	if sent, over, err := b.store.Ledger.Intend(t.Context(), in); err != nil || len(sent) != 0 || len(over) != 1 {
		t.Errorf("the probe under both holds sends %v, over %v, %v", sent, over, err)
	}
	b.settle(probe, ledger.Hold(probe.jobs[0].ID, "used up"))
	if again, err := b.store.Holds.NextProbeJob(t.Context(), &p, time.Minute); err != nil || again {
		t.Errorf("another job for the probe: %v, %v", again, err)
	}
	b.exec(`UPDATE holds SET next_probe_at = now() WHERE reason = 'payment'`)
	if _, due := b.takeProbe(record.Register); due {
		t.Error("a probe is due while the day is used up")
	}
	b.liftForDay(2, true)
	if _, due := b.takeProbe(record.Register); !due {
		t.Error("no probe is due although the day has one left")
	}
}

// Intents, replies, resumes, and who looks after the hold wait for each other, and never in a circle.
func TestDailyLimitDoesNotDeadlock(t *testing.T) {
	t.Parallel()
	const workers, each = 6, 12
	b := setupAt(t, noon)
	batches := make([]batch, workers)
	for i := range batches {
		batches[i] = b.running(record.Register, names(fmt.Sprint("w", i), each)...)
	}
	var g, looking errgroup.Group
	var over atomic.Bool
	for i, h := range batches {
		g.Go(func() error {
			for _, j := range h.jobs {
				in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{j.ID}, DailyLimit: 2}
				sent, _, err := b.store.Ledger.Intend(t.Context(), in)
				if err != nil && !errors.Is(err, holds.ErrHeld) {
					return err
				}
				if _, err := b.store.Holds.HoldForDay(t.Context(), "default", 2, ""); err != nil {
					return err
				}
				if len(sent) == 0 {
					continue
				}
				end := ledger.PaidTransition{Transition: ledger.Retry(j.ID, time.Hour, ""), Attempt: record.AttemptNotSent}
				if i%2 == 0 {
					end.Attempt = record.AttemptUnknown
				}
				if _, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: in.Call.ID}, []ledger.PaidTransition{end}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, do := range []func() error{
		func() error { _, err := b.store.Holds.Resume(t.Context(), "default"); return err },
		func() error { _, err := b.store.Holds.LiftForDay(t.Context(), "default", 2); return err },
		func() error {
			_, err := b.store.Operator.CarryOut(t.Context(), request(operator.Cancel, batches[0].ids()...))
			return err
		},
	} {
		looking.Go(func() error {
			for !over.Load() {
				if err := do(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	over.Store(true)
	if err := errors.Join(err, looking.Wait()); err != nil {
		t.Fatal(err)
	}
	n := get[int](b, `SELECT count(*) FROM attempts WHERE reserved`)
	b.wantDays("after all", fmt.Sprint("default 2030-05-14 ", n))
}
