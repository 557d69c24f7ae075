package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) pause(account, by, words string) bool {
	b.t.Helper()
	_, placed, err := b.store.Holds.PauseAccount(b.t.Context(), account, holds.Pause{By: by, Words: words})
	if err != nil {
		b.t.Fatal(err)
	}
	return placed
}

func (b *bench) pauseOrder(o record.Order) {
	b.t.Helper()
	if _, placed, err := b.store.Holds.PauseOrder(b.t.Context(), o, holds.Pause{By: "ann"}); err != nil || !placed {
		b.t.Fatal(placed, err)
	}
}

// holding makes an order of registrations that wait for a hold.
func (b *bench) holding(reference string, n int) record.Order {
	b.t.Helper()
	res := b.submit(newOrder(record.Register, reference), names(reference, n)...)
	h := b.claim(newClaim(record.Register), b.fresh(record.Register))
	var transitions []ledger.Transition
	for _, id := range h.ids() {
		transitions = append(transitions, ledger.Hold(id, "no"))
	}
	b.settle(h, transitions...)
	return res.Order
}

// What is paused already stays as it was paused first, and no probe ever comes for it.
func TestPauseAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	if !b.pause("default", "ann", "maintenance") || b.pause("default", "joe", "another") {
		t.Error("the first pause counts")
	}
	standing, err := b.store.Holds.List(t.Context())
	if err != nil || len(standing) != 1 {
		t.Fatal(standing, err)
	}
	h := standing[0]
	if h.Reason != holds.Paused || h.Scope != holds.ScopeAll || h.PlacedBy != "ann" || h.Words != "maintenance" || !h.NextProbeAt.IsZero() || h.Jobs != 1 {
		t.Errorf("hold %+v", h)
	}
	if _, due := b.takeProbe(record.Whois); due {
		t.Error("a pause was probed")
	}
	if stopped, err := b.store.Holds.Stopped(t.Context()); err != nil || !stopped["default"].All {
		t.Errorf("stopped %v, %v", stopped, err)
	}
	for _, p := range []holds.Pause{{}, {By: "reply"}, {By: strings.Repeat("x", 65)}, {By: "ann", Words: "two\nlines"}} {
		if _, _, err := b.store.Holds.PauseAccount(t.Context(), "other", p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
		if _, _, err := b.store.Holds.PauseOrder(t.Context(), record.Order{ID: 1}, p); err == nil {
			t.Errorf("%+v was accepted of an order", p)
		}
	}
}

func TestPauseOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("one", 3)
	b.pauseOrder(o)
	again, placed, err := b.store.Holds.PauseOrder(t.Context(), o, holds.Pause{By: "joe"})
	if err != nil || placed || again.PlacedBy != "ann" || again.Since.IsZero() {
		t.Errorf("again: %+v, %v, %v", again, placed, err)
	}
	paused, err := b.store.Holds.OrderHolds(t.Context())
	if err != nil || len(paused) != 1 || paused[0].Reference != "one" || paused[0].Jobs != 3 {
		t.Errorf("list: %+v, %v", paused, err)
	}
	if h, paused, err := b.store.Holds.OrderHold(t.Context(), o); err != nil || !paused || h.Jobs != 3 {
		t.Errorf("one: %+v, %v, %v", h, paused, err)
	}
	b.pause("default", "ann", "")
	h, resumed, err := b.store.Holds.ResumeOrder(t.Context(), o)
	if err != nil || !resumed || h.Jobs != 0 {
		t.Errorf("under a hold of its account: %+v, %v, %v", h, resumed, err)
	}
	if _, resumed, err := b.store.Holds.ResumeOrder(t.Context(), o); err != nil || resumed {
		t.Errorf("resumed twice: %v, %v", resumed, err)
	}
}

// A job of a paused order may wait for as long as it takes.
func TestAuditKnowsPausedOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("one", 2)
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 day' WHERE seq = 1`)
	if n := b.audit(audit.Options{}).Total(); n != 2 {
		t.Errorf("held without a hold, and long overdue: %d breaches, want 2", n)
	}
	b.pauseOrder(o)
	if n := b.audit(audit.Options{}).Total(); n != 0 {
		t.Errorf("paused: %d breaches", n)
	}
}

// Each job that goes on is counted once, and no other.
func TestResumeCountsWhatGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.holding("held", 4)
	b.hold(holds.Payment, holds.ScopeRegister)
	paused := b.holding("paused", 2)
	b.pauseOrder(paused)
	canceled := b.submit(newOrder(record.Register, "canceled"), "x.nl", "y.nl").Order
	b.carryOut(operator.Request{Act: operator.Cancel, Operator: "ann", Orders: []record.Order{canceled}})
	b.submit(newOrder(record.Register, "fresh"), names("fresh", 25)...)
	b.submit(newOrder(record.Whois, "checks"), names("check", 7)...)
	b.exec(`UPDATE jobs SET canceling = true WHERE domain = 'held-0000.nl'`)
	b.pause("default", "ann", "")
	b.exec(`INSERT INTO holds (account, reason, scope, words) VALUES ('other', 'restored', 'register', 'w')`)

	plan, err := b.store.Holds.ResumePlan(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := "payment 28 [held fresh], paused 7 [checks], restored 0 [], order paused 2"
	if got := resumption(plan); got != want {
		t.Errorf("planned %s, want %s", got, want)
	}
	one, err := b.store.Holds.ResumePlan(t.Context(), "other")
	if got := resumption(one); err != nil || got != "restored 0 []" {
		t.Errorf("planned for one account: %s, %v", got, err)
	}
	b.pause("other", "joe", "") // since the plan was made
	got, err := b.store.Holds.CarryOutResume(t.Context(), "", plan)
	if resumption(got) != want || err != nil {
		t.Errorf("lifted %s, %v; want %s", resumption(got), err, want)
	}
	if left := list[string](b, `SELECT account || ' ' || reason FROM holds`); fmt.Sprint(left) != "[other paused]" {
		t.Errorf("left: %v", left)
	}
	if again, err := b.store.Holds.CarryOutResume(t.Context(), "", plan); err != nil || !again.Empty() {
		t.Errorf("again: %s, %v", resumption(again), err)
	}
}

// A hold that stays keeps its jobs out of what goes on.
func TestResumeCountsOnlyWhatNothingElseStops(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("held", 4)
	b.hold(holds.Contract, holds.ScopeAll)
	plan, err := b.store.Holds.ResumePlan(t.Context(), "default")
	if err != nil || resumption(plan) != "contract 4 [held]" {
		t.Fatal(resumption(plan), err)
	}
	b.hold(holds.Payment, holds.ScopeRegister)
	got, err := b.store.Holds.CarryOutResume(t.Context(), "default", plan)
	if resumption(got) != "contract 0 []" || err != nil {
		t.Errorf("lifted %s, %v", resumption(got), err)
	}
	b.pauseOrder(o)
	ended, err := b.store.Holds.Resume(t.Context(), "default")
	if err != nil || resumption(holds.Resumption{Holds: ended}) != "payment 0 []" {
		t.Errorf("lifted %+v, %v, although the order is paused", ended, err)
	}
	if h, _, err := b.store.Holds.ResumeOrder(t.Context(), o); err != nil || h.Jobs != 4 {
		t.Errorf("the order goes on with %d jobs, %v", h.Jobs, err)
	}
}

func resumption(r holds.Resumption) string {
	var parts []string
	for _, h := range r.Holds {
		parts = append(parts, fmt.Sprintf("%s %d %v", h.Reason, h.Jobs, h.Orders))
	}
	for _, o := range r.Orders {
		parts = append(parts, fmt.Sprintf("order %s %d", o.Reference, o.Jobs))
	}
	return strings.Join(parts, ", ")
}

// Two who resume at once lift each hold once, and say so once.
func TestResumeTwiceAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.holding("held", 4)
	b.hold(holds.Payment, holds.ScopeRegister)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM holds FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	lifted := make(chan int, 2)
	for range 2 {
		go func() {
			ended, err := b.store.Holds.Resume(t.Context(), "default")
			if err != nil {
				t.Error(err)
			}
			lifted <- len(ended)
		}()
	}
	b.blocked(2)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := <-lifted + <-lifted; n != 1 {
		t.Errorf("the hold was lifted %d times", n)
	}
}

// Whoever lifts a contract hold takes back what was said of single jobs that it held, and of no others.
func TestResumeForgives(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl", "c.nl")
	for i, words := range []string{"not now", "the holder is unknown", "not now"} {
		alone := batch{h.claim, h.jobs[i : i+1]}
		b.checked(alone)
		b.settlePaid(alone, b.intend(alone), map[string]ledger.PaidTransition{
			alone.jobs[0].Domain: {Transition: ledger.Stay(alone.jobs[0].ID), Attempt: record.AttemptRefused, StatusCode: 402, Message: words},
		})
	}
	b.settle(h, ledger.Hold(h.ids()[0], ""), ledger.Hold(h.ids()[1], ""), ledger.Retry(h.ids()[2], time.Hour, ""))
	refused := func() string {
		return fmt.Sprint(list[string](b, `SELECT domain FROM attempts WHERE status_code IS NOT NULL ORDER BY 1`))
	}
	b.hold(holds.Payment, holds.ScopeRegister)
	b.resume()
	if got := refused(); got != "[a.nl b.nl c.nl]" {
		t.Errorf("a payment hold forgives: %s are left", got)
	}
	b.hold(holds.Contract, holds.ScopeRegister)
	b.resume()
	if got := refused(); got != "[c.nl]" {
		t.Errorf("refused are still %s, want c.nl, which is not held", got)
	}
}

// What these methods are told by a database that is away, or refuses, is told in the store's own words.
func TestPausesAndTheirReadersTellOurErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o, p := record.Order{ID: 1, Account: "default", Kind: record.Whois}, holds.Pause{By: "ann"}
	methods := map[string]func(*store.Store) error{
		"PauseAccount": func(s *store.Store) error { _, _, err := s.Holds.PauseAccount(t.Context(), "default", p); return err },
		"PauseOrder":   func(s *store.Store) error { _, _, err := s.Holds.PauseOrder(t.Context(), o, p); return err },
		"OrderHold":    func(s *store.Store) error { _, _, err := s.Holds.OrderHold(t.Context(), o); return err },
		"OrderHolds":   func(s *store.Store) error { _, err := s.Holds.OrderHolds(t.Context()); return err },
		"ResumeOrder":  func(s *store.Store) error { _, _, err := s.Holds.ResumeOrder(t.Context(), o); return err },
		"ResumePlan":   func(s *store.Store) error { _, err := s.Holds.ResumePlan(t.Context(), ""); return err },
		"CarryOutResume": func(s *store.Store) error {
			_, err := s.Holds.CarryOutResume(t.Context(), "", holds.Resumption{})
			return err
		},
		"OrdersNamed": func(s *store.Store) error { _, err := s.Orders.Named(t.Context(), "r"); return err },
		"Stillness":   func(s *store.Store) error { _, err := s.Fleet.Stillness(t.Context(), o); return err },
	}
	b.exec(`DROP TABLE holds, order_holds, workers CASCADE`)
	b.exec(`ALTER TABLE orders RENAME TO gone`)
	closed := b.open(store.Options{})
	closed.Close()
	for name, call := range methods {
		err := call(b.store)
		var later *pg.UnavailableError
		if !errors.As(err, &later) || later.Code != "42P01" || later.Action == "" {
			t.Errorf("%s: %v", name, err)
		}
		wantOurs(t, name, err)
		err = call(closed)
		if !errors.Is(err, pg.ErrUnavailable) {
			t.Errorf("%s, closed: %v", name, err)
		}
		wantOurs(t, name, err)
	}
	if err := closed.Writable(t.Context()); !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("Writable, closed: %v", err)
	}
	if err := b.store.Writable(t.Context()); err != nil {
		t.Errorf("Writable: %v", err)
	}
	b.exec(`ALTER DATABASE ` + get[string](b, `SELECT current_database()`) + ` SET default_transaction_read_only = on`)
	if err := b.open(store.Options{}).Writable(t.Context()); !errors.Is(err, pg.ErrReadOnly) {
		t.Errorf("Writable, read-only: %v", err)
	}
}
