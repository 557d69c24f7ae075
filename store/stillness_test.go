package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// report writes a worker's report past the store, as old as it is said to be.
func (b *bench) report(name, age, lots, trouble string, stopping bool) {
	b.t.Helper()
	b.exec(`INSERT INTO workers (name, seen_at, lots, trouble, stopping) VALUES ($1, now() - $2::interval, $3, nullif($4, ''), $5)`,
		name, age, lots, trouble, stopping)
}

func (b *bench) stillness(o record.Order) fleet.Stillness {
	b.t.Helper()
	st, err := b.store.Fleet.Stillness(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

// reasons are those of an order, in short.
func (b *bench) reasons(o record.Order) string {
	b.t.Helper()
	st := b.stillness(o)
	var parts []string
	for _, r := range st.Reasons() {
		part := string(r.Still)
		switch r.Still {
		case fleet.StillHeld:
			part += " " + string(r.Hold.Reason)
		case fleet.StillNoWorker:
			if part += fmt.Sprintf(" others=%d", r.Others); !r.Since.IsZero() {
				part += fmt.Sprintf(" seen %.0fs ago", st.At.Sub(r.Since).Seconds())
			}
		case fleet.StillQueuePaused:
			part += fmt.Sprint(" ", r.Queues)
		case fleet.StillTrouble:
			part += " " + r.Worker + ": " + r.Words
		case fleet.StillSlots:
			part += fmt.Sprintf(" slots=%d jobs=%d", r.Slots, r.Jobs)
		case fleet.StillRetry:
			part += fmt.Sprintf(" in %.0fs", r.Until.Sub(st.At).Seconds())
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestStillnessOfWorkers(t *testing.T) {
	t.Parallel()
	const idle = `[{"kind":"whois","account":"default","slots":4,"busy":0,"waiting":0,"waiting_since":null,"paused":[]},
		{"kind":"register","account":"default","slots":2,"busy":1,"waiting":0}]`
	full := func(waiting int, paused string) string {
		return fmt.Sprintf(`[{"kind":"register","account":"default","slots":2,"busy":2,"waiting":%d,
			"waiting_since":"2026-11-25T22:00:00.5Z","paused":[%s]}]`, waiting, paused)
	}
	for name, tc := range map[string]struct {
		reports func(b *bench)
		want    string
	}{
		"none ever":      {func(*bench) {}, "no_worker others=0"},
		"one that works": {func(b *bench) { b.report("a", "2 s", idle, "", false) }, ""},
		"gone": {func(b *bench) {
			b.report("a", "100 s", idle, "", false)
			b.report("b", "90 s", idle, "", false)
			b.report("c", "1 s", `[{"kind":"register","account":"brand-b","slots":2}]`, "", false)
			b.report("d", "1 s", `[{"kind":"whois","account":"default","slots":2}]`, "", false)
			b.report("e", "1 h", `[{"kind":"whois","account":"default","slots":2}]`, "", false)
		}, "no_worker others=2 seen 90s ago"},
		"stopping":   {func(b *bench) { b.report("a", "0 s", idle, "", true) }, "no_worker others=0 seen 0s ago"},
		"in trouble": {func(b *bench) { b.report("a", "0 s", idle, "Redis is full", false) }, "worker_in_trouble a: Redis is full"},
		"one of two in trouble": {func(b *bench) {
			b.report("a", "0 s", idle, "Redis is full", false)
			b.report("b", "0 s", idle, "", false)
		}, ""},
		"queue paused": {func(b *bench) {
			b.report("a", "0 s", `[{"kind":"register","account":"default","slots":2,"paused":["register-bulk","register"]}]`, "", false)
			b.report("b", "0 s", `[{"kind":"register","account":"default","slots":2,"paused":["register"]}]`, "", false)
			b.report("c", "1 h", `[{"kind":"register","account":"default","slots":2,"paused":["gone"]}]`, "", false)
		}, "queue_paused [register register-bulk]"},
		"no slot": {func(b *bench) {
			b.report("a", "0 s", full(300, ""), "", false)
			b.report("b", "0 s", full(40, ""), "", false)
		}, "no_free_slot slots=4 jobs=340"},
		"a slot elsewhere": {func(b *bench) {
			b.report("a", "0 s", full(300, ""), "", false)
			b.report("b", "0 s", idle, "", false)
		}, ""},
		"busy, and nobody waits": {func(b *bench) { b.report("a", "0 s", full(0, ""), "", false) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			tc.reports(b)
			if got := b.reasons(record.Order{ID: 1, Kind: record.Register, Account: "default"}); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestStillnessOfHoldsAndPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.report("a", "0 s", `[{"kind":"register","account":"default","slots":2},{"kind":"whois","account":"default","slots":2}]`, "", false)
	o := b.holding("one", 2)
	checks := b.submit(newOrder(record.Whois, "checks"), "a.nl").Order
	b.hold(holds.Payment, holds.ScopeRegister)
	b.pause("default", "ann", "night")
	b.pause("brand-b", "ann", "")
	b.pauseOrder(checks)
	if got := b.reasons(o); got != "hold payment, hold paused" {
		t.Errorf("registrations: %s", got)
	}
	if got := b.reasons(checks); got != "order_paused, hold paused" {
		t.Errorf("checks: %s", got)
	}
	for _, r := range b.stillness(o).Reasons() {
		if r.Since.IsZero() || r.Until.IsZero() != (r.Hold.Reason == holds.Paused) || r.Hold.Words == "" {
			t.Errorf("hold %+v", r)
		}
	}
	if r := b.stillness(checks).Reasons()[0]; r.Pause.PlacedBy != "ann" || r.Pause.Reference != "checks" || r.Since.IsZero() {
		t.Errorf("pause %+v", r)
	}
}

// The next retry is found among an order's first jobs, or where it is due soon.
func TestStillnessFindsTheNextRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.report("a", "0 s", `[{"kind":"whois","account":"default","slots":2}]`, "", false)
	o := b.submit(newOrder(record.Whois, "r"), names("x", 1200)...).Order
	if got := b.reasons(o); got != "" {
		t.Errorf("without a retry: %s", got)
	}
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '60 s' WHERE seq = 1200`)
	if got := b.reasons(o); got != "next_retry in 60s" {
		t.Errorf("the last job: %s", got)
	}
	b.submit(newOrder(record.Whois, "another"), names("y", 1100)...)
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '10 s' WHERE domain LIKE 'y-%'`)
	if got := b.reasons(o); got != "" {
		t.Errorf("behind too many of another order: %s", got)
	}
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '90 s' WHERE order_id = $1 AND seq = 1`, o.ID)
	if got := b.reasons(o); got != "next_retry in 90s" {
		t.Errorf("the first job: %s", got)
	}
}

// A report that cannot be read is an error, not an absent worker.
func TestStillnessRefusesABrokenReport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.report("a", "0 s", `[{"kind":"whois","account":"default","slots":"two"}]`, "", false)
	_, err := b.store.Fleet.Stillness(t.Context(), record.Order{Kind: record.Whois, Account: "default"})
	if err == nil || !strings.Contains(err.Error(), "read report of worker a") {
		t.Errorf("got %v", err)
	}
}
