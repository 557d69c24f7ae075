package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

// intendWithin intends to send a batch under a daily limit, and returns the intent's call and how many may be sent and are beyond it.
func (b *bench) intendWithin(limit int, h batch) (call uuid.UUID, sent, beyond []uuid.UUID) {
	b.t.Helper()
	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids(), Limit: limit}
	sent, beyond, err := b.store.Ledger.Intend(b.t.Context(), in)
	if err != nil {
		b.t.Fatal(err)
	}
	return in.Call.ID, sent, beyond
}

// within checks how many of a batch may be sent.
func (b *bench) within(limit int, h batch, sent int) uuid.UUID {
	b.t.Helper()
	call, may, beyond := b.intendWithin(limit, h)
	if len(may) != sent || len(beyond) != len(h.jobs)-sent {
		b.t.Fatalf("%d may be sent and %d are beyond the limit, want %d of %d", len(may), len(beyond), sent, len(h.jobs))
	}
	sameIDs(b.t, append(may, beyond...), h.ids())
	return call
}

func TestDailyLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := b.running(record.Register, "a1.nl", "a2.nl", "a3.nl")
	b.within(5, one, 3)
	two := b.running(record.Register, "b1.nl", "b2.nl", "b3.nl")
	b.within(5, two, 2)
	if n := get[int](b, `SELECT count(*) FROM calls`); n != 2 {
		t.Errorf("%d calls", n)
	}
	three := b.running(record.Register, "c1.nl")
	b.within(5, three, 0)
	if n := get[int](b, `SELECT count(*) FROM calls`); n != 2 || len(b.attempts("c1.nl")) > 0 {
		t.Errorf("a call that has no jobs: %d, %v", n, b.attempts("c1.nl"))
	}
	b.within(0, three, 1) // no limit

	// What an account may do is no concern of another's.
	b.exec(`UPDATE attempts SET account = 'other'`)
	four := b.running(record.Register, "d1.nl", "d2.nl")
	b.within(5, four, 2)
}

// Only what may have been paid for counts.
func TestWhatCountsAgainstTheDailyLimit(t *testing.T) {
	t.Parallel()
	for state, counts := range map[record.AttemptState]bool{
		record.AttemptOpen: true, record.AttemptUnknown: true, record.AttemptRegistered: true,
		record.AttemptFailed: false, record.AttemptRefused: false, record.AttemptNotSent: false, record.AttemptCleared: false, record.AttemptDisowned: false,
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.within(1, b.running(record.Register, "a.nl"), 1)
			b.exec(`UPDATE attempts SET state = $1, resolved_at = CASE WHEN $1 NOT IN ('open', 'unknown') THEN now() END,
				resolved_by = CASE WHEN $1 NOT IN ('open', 'unknown') THEN 'reply' END`, state)
			room := 1
			if counts {
				room = 0
			}
			b.within(1, b.running(record.Register, "b.nl"), room)
		})
	}
}

// However many intend at once, no more is sent than the day may have, and no less.
func TestDailyLimitIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const batches, limit = 8, 11
	claimed := make([]batch, batches)
	for i := range claimed {
		claimed[i] = b.running(record.Register, names(string(rune('a'+i)), 3)...)
	}
	var g errgroup.Group
	sent := make([]int, batches)
	for i, h := range claimed {
		g.Go(func() error {
			may, _, err := b.store.Ledger.Intend(t.Context(), ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids(), Limit: limit})
			sent[i] = len(may)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range sent {
		total += n
	}
	if n := get[int](b, `SELECT count(*) FROM attempts`); total != limit || n != limit {
		t.Errorf("sent %v, %d together, with %d attempts; want %d", sent, total, n, limit)
	}
}

func (b *bench) liftDay(limit, want int) {
	b.t.Helper()
	lifted, err := b.store.Holds.LiftDay(b.t.Context(), []string{"default", "other"}, limit)
	if err != nil || len(lifted) != want {
		b.t.Fatalf("lifted %v, %v; want %d", lifted, err, want)
	}
}

// A daily limit holds registrations, needs nobody, and is probed by nobody.
func TestHoldForTheDay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.within(2, b.running(record.Register, "a.nl", "b.nl"), 2)
	h := b.running(record.Register, "c.nl")
	for again := range 2 {
		laid, err := b.store.Holds.HoldForDay(t.Context(), "default", "2 are sent")
		if err != nil || laid != (again == 0) {
			t.Errorf("laid %t, %v", laid, err)
		}
	}
	b.settle(h, ledger.Hold(h.jobs[0].ID, ""))
	list, err := b.store.Holds.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	midnight := get[time.Time](b, `SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 day'`)
	if got := list[0]; got.Reason != holds.DailyLimit || got.Scope != holds.ScopeRegister || got.Jobs != 1 || got.Words != "2 are sent" ||
		got.Reason.NeedsPerson() || got.Reason.ByPerson() || !got.NextProbeAt.Equal(midnight) {
		t.Errorf("the hold is %+v", got)
	}
	b.hold(holds.Payment, holds.ScopeRegister)
	b.exec(`UPDATE holds SET next_probe_at = now() - interval '1 minute'`)
	if p, taken := b.takeProbe(record.Register); taken {
		t.Errorf("a probe was taken although nothing more may be sent today: %+v", p)
	}
	st, err := b.store.Holds.Standings(t.Context(), []string{"default"})
	if err != nil || !st[0].DailyLimit || !st[0].Stopped.Register {
		t.Errorf("stands as %+v, %v", st, err)
	}
	b.liftDay(2, 0)
	b.liftDay(3, 1) // a higher limit
	b.liftDay(3, 0)
	if p, taken := b.takeProbe(record.Register); !taken || p.Reason != holds.Payment {
		t.Errorf("probe %+v, %t", p, taken)
	}
}

func TestDailyLimitEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench){
		"with the day":       func(b *bench) { b.exec(`UPDATE attempts SET opened_at = opened_at - interval '1 day'`) },
		"when it is set off": func(*bench) {},
		"when it was refused": func(b *bench) {
			b.exec(`UPDATE attempts SET state = 'failed', resolved_at = now(), resolved_by = 'reply'`)
		},
		"by an operator": func(b *bench) { b.resume() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.within(2, b.running(record.Register, "a.nl", "b.nl"), 2)
			if _, err := b.store.Holds.HoldForDay(t.Context(), "default", ""); err != nil {
				t.Fatal(err)
			}
			b.liftDay(2, 0)
			end(b)
			switch name {
			case "by an operator":
				b.liftDay(2, 0) // it is gone
			case "when it is set off":
				b.liftDay(0, 1)
				return
			default:
				b.liftDay(2, 1)
			}
			b.within(2, b.running(record.Register, "c.nl", "d.nl", "e.nl"), 2)
		})
	}
}

// An operator lets as many more go each time.
func TestDailyLimitIsResumedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO daily_resumptions VALUES ('default', current_date - 3, 5)`)
	for _, label := range []string{"a", "b", "c"} {
		b.within(2, b.running(record.Register, names(label, 3)...), 2)
		if _, err := b.store.Holds.HoldForDay(t.Context(), "default", ""); err != nil {
			t.Fatal(err)
		}
		plan, err := b.store.Holds.ResumePlan(t.Context(), "default")
		if err != nil {
			t.Fatal(err)
		}
		if done, err := b.store.Holds.CarryOutResume(t.Context(), "default", plan); err != nil || len(done.Holds) != 1 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	if got := list[int](b, `SELECT n FROM daily_resumptions`); len(got) != 1 || got[0] != 6 {
		t.Errorf("resumed for %v", got)
	}
}
