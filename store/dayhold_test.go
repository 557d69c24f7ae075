package store_test

import (
	"errors"
	"fmt"
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
