package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) pause(account, by, words string) bool {
	b.t.Helper()
	_, placed, err := b.store.PauseAccount(b.t.Context(), account, store.Pause{By: by, Words: words})
	if err != nil {
		b.t.Fatal(err)
	}
	return placed
}

func (b *bench) pauseOrder(o store.Order) {
	b.t.Helper()
	if _, placed, err := b.store.PauseOrder(b.t.Context(), o, store.Pause{By: "ann"}); err != nil || !placed {
		b.t.Fatal(placed, err)
	}
}

// holding makes an order of registrations that wait for a hold.
func (b *bench) holding(reference string, n int) store.Order {
	b.t.Helper()
	res := b.submit(newOrder(store.Register, reference), names(reference, n)...)
	h := b.claim(newClaim(store.Register), b.fresh(store.Register))
	var transitions []store.Transition
	for _, id := range h.ids() {
		transitions = append(transitions, store.Hold(id, "no"))
	}
	b.settle(h, transitions...)
	return res.Order
}

// What is paused already stays as it was paused first, and no probe ever comes for it.
func TestPauseAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(store.Whois, "r"), "a.nl")
	if !b.pause("default", "ann", "maintenance") || b.pause("default", "joe", "another") {
		t.Error("the first pause counts")
	}
	standing, err := b.store.Holds(t.Context())
	if err != nil || len(standing) != 1 {
		t.Fatal(standing, err)
	}
	h := standing[0]
	if h.Reason != store.HoldPaused || h.Scope != store.ScopeAll || h.PlacedBy != "ann" || h.Words != "maintenance" || !h.NextProbeAt.IsZero() || h.Jobs != 1 {
		t.Errorf("hold %+v", h)
	}
	if _, due := b.takeProbe(store.Whois); due {
		t.Error("a pause was probed")
	}
	if stopped, err := b.store.Stopped(t.Context()); err != nil || !stopped["default"].All {
		t.Errorf("stopped %v, %v", stopped, err)
	}
	for _, p := range []store.Pause{{}, {By: "reply"}, {By: strings.Repeat("x", 65)}, {By: "ann", Words: "two\nlines"}} {
		if _, _, err := b.store.PauseAccount(t.Context(), "other", p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
		if _, _, err := b.store.PauseOrder(t.Context(), store.Order{ID: 1}, p); err == nil {
			t.Errorf("%+v was accepted of an order", p)
		}
	}
}

func TestPauseOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("one", 3)
	b.pauseOrder(o)
	again, placed, err := b.store.PauseOrder(t.Context(), o, store.Pause{By: "joe"})
	if err != nil || placed || again.PlacedBy != "ann" || again.Since.IsZero() {
		t.Errorf("again: %+v, %v, %v", again, placed, err)
	}
	paused, err := b.store.OrderHolds(t.Context())
	if err != nil || len(paused) != 1 || paused[0].Reference != "one" || paused[0].Jobs != 3 {
		t.Errorf("list: %+v, %v", paused, err)
	}
	if h, paused, err := b.store.OrderHold(t.Context(), o); err != nil || !paused || h.Jobs != 3 {
		t.Errorf("one: %+v, %v, %v", h, paused, err)
	}
	b.pause("default", "ann", "")
	h, resumed, err := b.store.ResumeOrder(t.Context(), o)
	if err != nil || !resumed || h.Jobs != 0 {
		t.Errorf("under a hold of its account: %+v, %v, %v", h, resumed, err)
	}
	if _, resumed, err := b.store.ResumeOrder(t.Context(), o); err != nil || resumed {
		t.Errorf("resumed twice: %v, %v", resumed, err)
	}
}

// A job of a paused order may wait for as long as it takes.
func TestAuditKnowsPausedOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("one", 2)
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 day' WHERE seq = 1`)
	if n := b.audit(store.AuditOptions{}).Total(); n != 2 {
		t.Errorf("held without a hold, and long overdue: %d breaches, want 2", n)
	}
	b.pauseOrder(o)
	if n := b.audit(store.AuditOptions{}).Total(); n != 0 {
		t.Errorf("paused: %d breaches", n)
	}
}

// Each job that goes on is counted once, and no other.
func TestResumeCountsWhatGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.holding("held", 4)
	b.hold(store.HoldPayment, store.ScopeRegister)
	paused := b.holding("paused", 2)
	b.pauseOrder(paused)
	canceled := b.submit(newOrder(store.Register, "canceled"), "x.nl", "y.nl").Order
	b.carryOut(store.ActRequest{Act: store.ActCancel, Operator: "ann", Orders: []store.Order{canceled}})
	b.submit(newOrder(store.Register, "fresh"), names("fresh", 25)...)
	b.submit(newOrder(store.Whois, "checks"), names("check", 7)...)
	b.exec(`UPDATE jobs SET canceling = true WHERE domain = 'held-0000.nl'`)
	b.pause("default", "ann", "")
	b.exec(`INSERT INTO holds (account, reason, scope, words) VALUES ('other', 'restored', 'register', 'w')`)

	plan, err := b.store.ResumePlan(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := "payment 28 [held fresh], paused 7 [checks], restored 0 [], order paused 2"
	if got := resumption(plan); got != want {
		t.Errorf("planned %s, want %s", got, want)
	}
	one, err := b.store.ResumePlan(t.Context(), "other")
	if got := resumption(one); err != nil || got != "restored 0 []" {
		t.Errorf("planned for one account: %s, %v", got, err)
	}
	b.pause("other", "joe", "") // since the plan was made
	got, err := b.store.CarryOutResume(t.Context(), "", plan)
	if resumption(got) != want || err != nil {
		t.Errorf("lifted %s, %v; want %s", resumption(got), err, want)
	}
	if left := list[string](b, `SELECT account || ' ' || reason FROM holds`); fmt.Sprint(left) != "[other paused]" {
		t.Errorf("left: %v", left)
	}
	if again, err := b.store.CarryOutResume(t.Context(), "", plan); err != nil || !again.Empty() {
		t.Errorf("again: %s, %v", resumption(again), err)
	}
}

// A hold that stays keeps its jobs out of what goes on.
func TestResumeCountsOnlyWhatNothingElseStops(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.holding("held", 4)
	b.hold(store.HoldContract, store.ScopeAll)
	plan, err := b.store.ResumePlan(t.Context(), "default")
	if err != nil || resumption(plan) != "contract 4 [held]" {
		t.Fatal(resumption(plan), err)
	}
	b.hold(store.HoldPayment, store.ScopeRegister)
	got, err := b.store.CarryOutResume(t.Context(), "default", plan)
	if resumption(got) != "contract 0 []" || err != nil {
		t.Errorf("lifted %s, %v", resumption(got), err)
	}
	b.pauseOrder(o)
	ended, err := b.store.Resume(t.Context(), "default")
	if err != nil || resumption(store.Resumption{Holds: ended}) != "payment 0 []" {
		t.Errorf("lifted %+v, %v, although the order is paused", ended, err)
	}
	if h, _, err := b.store.ResumeOrder(t.Context(), o); err != nil || h.Jobs != 4 {
		t.Errorf("the order goes on with %d jobs, %v", h.Jobs, err)
	}
}

func resumption(r store.Resumption) string {
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
	b.hold(store.HoldPayment, store.ScopeRegister)
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
			ended, err := b.store.Resume(t.Context(), "default")
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
	h := b.running(store.Register, "a.nl", "b.nl", "c.nl")
	for i, words := range []string{"not now", "the holder is unknown", "not now"} {
		alone := batch{h.claim, h.jobs[i : i+1]}
		b.checked(alone)
		b.settlePaid(alone, b.intend(alone), map[string]store.PaidTransition{
			alone.jobs[0].Domain: {Transition: store.Stay(alone.jobs[0].ID), Attempt: store.AttemptRefused, StatusCode: 402, Message: words},
		})
	}
	b.settle(h, store.Hold(h.ids()[0], ""), store.Hold(h.ids()[1], ""), store.Retry(h.ids()[2], time.Hour, ""))
	refused := func() string {
		return fmt.Sprint(list[string](b, `SELECT domain FROM attempts WHERE status_code IS NOT NULL ORDER BY 1`))
	}
	b.hold(store.HoldPayment, store.ScopeRegister)
	b.resume()
	if got := refused(); got != "[a.nl b.nl c.nl]" {
		t.Errorf("a payment hold forgives: %s are left", got)
	}
	b.hold(store.HoldContract, store.ScopeRegister)
	b.resume()
	if got := refused(); got != "[c.nl]" {
		t.Errorf("refused are still %s, want c.nl, which is not held", got)
	}
}

// What these methods are told by a database that is away, or refuses, is told in the store's own words.
func TestPausesAndTheirReadersTellOurErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o, p := store.Order{ID: 1, Account: "default", Kind: store.Whois}, store.Pause{By: "ann"}
	methods := map[string]func(*store.Store) error{
		"PauseAccount": func(s *store.Store) error { _, _, err := s.PauseAccount(t.Context(), "default", p); return err },
		"PauseOrder":   func(s *store.Store) error { _, _, err := s.PauseOrder(t.Context(), o, p); return err },
		"OrderHold":    func(s *store.Store) error { _, _, err := s.OrderHold(t.Context(), o); return err },
		"OrderHolds":   func(s *store.Store) error { _, err := s.OrderHolds(t.Context()); return err },
		"ResumeOrder":  func(s *store.Store) error { _, _, err := s.ResumeOrder(t.Context(), o); return err },
		"ResumePlan":   func(s *store.Store) error { _, err := s.ResumePlan(t.Context(), ""); return err },
		"CarryOutResume": func(s *store.Store) error {
			_, err := s.CarryOutResume(t.Context(), "", store.Resumption{})
			return err
		},
		"OrdersNamed": func(s *store.Store) error { _, err := s.OrdersNamed(t.Context(), "r"); return err },
		"Stillness":   func(s *store.Store) error { _, err := s.Stillness(t.Context(), o); return err },
	}
	b.exec(`DROP TABLE holds, order_holds, workers CASCADE`)
	b.exec(`ALTER TABLE orders RENAME TO gone`)
	closed := b.open(store.Options{})
	closed.Close()
	for name, call := range methods {
		err := call(b.store)
		var later *store.UnavailableError
		if !errors.As(err, &later) || later.Code != "42P01" || later.Action == "" {
			t.Errorf("%s: %v", name, err)
		}
		wantOurs(t, name, err)
		err = call(closed)
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, closed: %v", name, err)
		}
		wantOurs(t, name, err)
	}
	if err := closed.Writable(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Writable, closed: %v", err)
	}
	if err := b.store.Writable(t.Context()); err != nil {
		t.Errorf("Writable: %v", err)
	}
	b.exec(`ALTER DATABASE ` + get[string](b, `SELECT current_database()`) + ` SET default_transaction_read_only = on`)
	if err := b.open(store.Options{}).Writable(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Writable, read-only: %v", err)
	}
}
