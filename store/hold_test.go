package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

// hold lays a hold whose first probe is due.
func (b *bench) hold(reason holds.Reason, scope holds.Scope) {
	b.t.Helper()
	_, err := b.store.Holds.Hold(b.t.Context(), holds.NewHold{
		Account: "default", Reason: reason, Scope: scope, Words: "not now", Status: 402, ProbeEvery: time.Hour,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.exec(`UPDATE holds SET next_probe_at = now() WHERE reason = $1`, reason)
}

func (b *bench) takeProbe(kinds ...record.Kind) (holds.Probe, bool) {
	b.t.Helper()
	p, due, err := b.store.Holds.TakeProbe(b.t.Context(), "default", kinds, 2*time.Hour, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	return p, due
}

// insertHeld inserts held jobs past the store.
func (b *bench) insertHeld(kind record.Kind, n int) {
	b.t.Helper()
	b.exec(`
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, holder_id, state, created_at)
		SELECT gen_random_uuid(), 1, last + i, $1, 'plain', 'default', $1 || i || '.nl', 'H-1', 'held', now() - interval '1 hour'
		FROM generate_series(1, $2::integer) AS i, (SELECT max(seq) FROM jobs WHERE order_id = 1) AS j (last)`, kind, n)
	b.exec(`ANALYZE jobs`)
}

// insertIdleChunks inserts an old order of duplicates, in chunks of one job each.
// jobsRead is how many entries of the indexes on jobs somebody reads who looks at something.
func (b *bench) jobsRead(look func(s *store.Store)) int {
	b.t.Helper()
	const counted = `SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE relname = 'jobs'`
	const looked = `SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE relname = 'jobs'`
	before, scans := get[int](b, counted), get[int](b, looked)
	s := b.open(store.Options{MaxConns: 1})
	look(s)
	s.Close() // a connection that ends tells what it has read
	b.eventually(func() bool { return get[int](b, looked) > scans })
	return get[int](b, counted) - before
}

func (b *bench) insertIdleChunks(n int) {
	b.t.Helper()
	b.exec(`INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('test', 'idle', 'register', 'plain', 'default', $1)`, n)
	b.exec(`
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, holder_id, state, outcome, finished_at)
		SELECT gen_random_uuid(), o.id, i, 'register', 'plain', 'default', 'mine.nl', 'H-1', 'failed', 'duplicate', now()
		FROM orders o, generate_series(1, $1::integer) AS i WHERE o.reference = 'idle'`, n)
	b.exec(`
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account)
		SELECT o.id, i, i, 'register', 'plain', 'default'
		FROM orders o, generate_series(1, $1::integer) AS i WHERE o.reference = 'idle'`, n)
	b.exec(`ANALYZE jobs, chunks`)
}

// A chunk of nothing but duplicates stands before the one whose job could be the probe.
func TestProbeIsNotKeptByAnIdleChunk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.running(record.Register, "mine.nl")
	b.hold(holds.Payment, holds.ScopeRegister)
	if res := b.submit(newOrder(record.Register, "duplicate"), "mine.nl"); res.Duplicates != 1 {
		t.Fatalf("%d duplicates, want 1", res.Duplicates)
	}
	b.submit(newOrder(record.Register, "real"), "b.nl", "c.nl")
	p, due := b.takeProbe(record.Register)
	if !due || p.Job.Domain != "b.nl" {
		t.Errorf("probe due %v with %q, want b.nl", due, p.Job.Domain)
	}
}

// However many idle chunks there are, one look reads a bounded number of them, and none of them twice.
func TestIdleChunksOfAHeldAccountGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.insertIdleChunks(2500)
	b.submit(newOrder(record.Register, "real"), "a.nl")
	b.hold(holds.Payment, holds.ScopeRegister)
	chunks := func() int { return get[int](b, `SELECT count(*) FROM chunks`) }
	for _, left := range []int{1501, 501} {
		if _, due := b.takeProbe(record.Register); due || chunks() != left {
			t.Fatalf("probe due %v, %d chunks are left; want false and %d", due, chunks(), left)
		}
	}
	if p, due := b.takeProbe(record.Register); !due || p.Job.Domain != "a.nl" {
		t.Errorf("probe due %v with %q, want a.nl", due, p.Job.Domain)
	}
	if probes := get[int](b, `SELECT probes FROM holds`); probes != 1 {
		t.Errorf("%d probes are counted, want 1", probes)
	}
}

// Idle chunks of what does not stand still are the dispatcher's, and those whose jobs wait stay.
func TestProbeLeavesOtherChunksAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.insertIdleChunks(3)
	b.exec(`UPDATE chunks SET kind = 'whois' WHERE first_seq = 1`)
	b.exec(`UPDATE chunks SET account = 'other' WHERE first_seq = 2`)
	b.submit(newOrder(record.Whois, "w"), "w.nl")
	b.hold(holds.Payment, holds.ScopeRegister)
	if _, due := b.takeProbe(record.Register, record.Whois); due {
		t.Error("a probe was taken though no registration waits")
	}
	if left := list[int](b, `SELECT first_seq FROM chunks WHERE order_id = (SELECT id FROM orders WHERE reference = 'idle') ORDER BY 1`); len(left) != 2 || left[0] != 1 || left[1] != 2 {
		t.Errorf("chunks %v of the idle order are left, want 1 and 2", left)
	}
	if n := get[int](b, `SELECT count(*) FROM chunks`); n != 3 {
		t.Errorf("%d chunks are left, want 3", n)
	}
}

// All that waits for a hold on everything is registrations that an operator has canceled. The check that they still need
// proves that hold, and nobody but the probe may make it.
func TestCanceledJobProbesAHoldOnEverything(t *testing.T) {
	t.Parallel()
	for _, scope := range []holds.Scope{holds.ScopeAll, holds.ScopeRegister} {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(record.Register, "a.nl")
			call := b.intend(h)
			b.hold(holds.Auth, scope)
			b.paid(h, call, record.AttemptRefused, func(id uuid.UUID) ledger.Transition { return ledger.Hold(id, "401") })
			b.carryOut(request(operator.Cancel, h.ids()...))
			p, due := b.takeProbe(record.Register)
			woken, err := b.store.Holds.WakeCanceled(t.Context(), "default", 10)
			if err != nil {
				t.Fatal(err)
			}
			// Under a hold on registrations the check is free, and the job is no probe: it would prove nothing.
			if all := scope == holds.ScopeAll; due != all || woken == 1 == all {
				t.Errorf("probe due %v, %d woken", due, woken)
			}
			if due && p.Job.ID != h.jobs[0].ID {
				t.Errorf("probe with %v, want %v", p.Job.ID, h.jobs[0].ID)
			}
		})
	}
}

// The job that waits longest is the probe, of whatever kind it is.
func TestProbeTakesTheOldestHeldJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.running(record.Register, "mine.nl")
	b.insertHeld(record.Register, 2)
	b.insertHeld(record.Whois, 2)
	b.exec(`UPDATE jobs SET created_at = created_at - interval '1 hour' WHERE domain = 'whois2.nl'`)
	b.hold(holds.Auth, holds.ScopeAll)
	if p, due := b.takeProbe(record.Register, record.Whois); !due || p.Job.Domain != "whois2.nl" || p.Kind != record.Whois {
		t.Errorf("probe due %v with %q of kind %q, want whois2.nl", due, p.Job.Domain, p.Kind)
	}
	if p, due := b.takeProbe(record.Register); due {
		t.Errorf("a second probe was due, with %s", p.Job.Domain)
	}
}

// A worker stands still after its probe went well. What it then lifts must be the hold that it has probed, not one that was
// laid since, nor one whose newer probe may have gone badly.
func TestLateLift(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(b *bench)
		lifts     bool
	}{
		"nothing": {func(*bench) {}, true},
		"the same is said again": {func(b *bench) {
			b.hold(holds.Payment, holds.ScopeRegister)
		}, true},
		"resumed": {func(b *bench) {
			b.resume()
		}, false},
		"resumed, and laid anew": {func(b *bench) {
			b.resume()
			b.hold(holds.Payment, holds.ScopeRegister)
		}, false},
		"resumed, laid anew and probed": {func(b *bench) {
			b.resume()
			b.hold(holds.Payment, holds.ScopeRegister)
			b.takeProbe(record.Register)
		}, false},
		"probed again": {func(b *bench) {
			b.hold(holds.Payment, holds.ScopeRegister)
			b.takeProbe(record.Register)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.submit(newOrder(record.Register, "r"), "a.nl", "b.nl")
			b.hold(holds.Payment, holds.ScopeRegister)
			b.hold(holds.Contract, holds.ScopeRegister)
			b.exec(`UPDATE holds SET next_probe_at = now() - interval '1 minute' WHERE reason = 'payment'`)
			p, due := b.takeProbe(record.Register)
			if !due || p.Reason != holds.Payment || p.Words != "not now" || p.Status != 402 {
				t.Fatalf("probe %+v, %v", p, due)
			}
			c.meanwhile(b)
			before := get[int](b, `SELECT count(*) FROM holds`)
			lifted, err := b.store.Holds.Lift(t.Context(), p)
			if err != nil || lifted != c.lifts {
				t.Errorf("lifted %v, %v; want %v", lifted, err, c.lifts)
			}
			if n := get[int](b, `SELECT count(*) FROM holds`); before-n == 1 != c.lifts {
				t.Errorf("%d holds are left of %d", n, before)
			}
		})
	}
}

func (b *bench) resume() {
	b.t.Helper()
	if _, err := b.store.Holds.Resume(b.t.Context(), "default"); err != nil {
		b.t.Fatal(err)
	}
}

// Jobs that were refused one by one, for what turned out to be nobody's fault, are sent again and do not end for it.
func TestForgive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	for _, alone := range []batch{{h.claim, h.jobs[:1]}, {h.claim, h.jobs[1:]}} {
		b.checked(alone)
		b.settlePaid(alone, b.intend(alone), map[string]ledger.PaidTransition{
			alone.jobs[0].Domain: {Transition: ledger.Stay(alone.jobs[0].ID), Attempt: record.AttemptRefused, StatusCode: 422, Message: "no"},
		})
	}
	refused := func() (n int) {
		t.Helper()
		histories, err := b.store.Ledger.Histories(t.Context(), h.claim, ledger.Proof{})
		if err != nil {
			t.Fatal(err)
		}
		for _, past := range histories {
			if past.Clean() {
				t.Error("a call that was refused as a whole leaves no doubt behind")
			}
			if past.Refused {
				n++
			}
		}
		return n
	}
	if n := refused(); n != 2 {
		t.Fatalf("%d jobs were refused by themselves, want 2", n)
	}
	if err := b.store.Holds.Forgive(t.Context(), newID(), h.ids()); err != nil || refused() != 2 {
		t.Errorf("another claim's: %v", err)
	}
	if err := b.store.Holds.Forgive(t.Context(), h.claim, h.ids()[:1]); err != nil || refused() != 1 {
		t.Errorf("one job: %v", err)
	}
	b.sound("forgiven")
}

// Two holds come due one after the other, and two workers look at the same time.
func TestProbesOfTwoHoldsDoNotLockEachOtherOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "r"), "a.nl", "b.nl")
	b.hold(holds.Auth, holds.ScopeAll)
	b.hold(holds.Payment, holds.ScopeRegister)
	// The other worker has taken the first hold's probe, and goes on to the account's other holds.
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM holds WHERE reason = 'auth' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	took := make(chan error, 1)
	go func() {
		_, due, err := b.store.Holds.TakeProbe(t.Context(), "default", []record.Kind{record.Register}, time.Hour, time.Minute)
		if due {
			err = errors.New("a second probe was taken")
		}
		took <- err
	}()
	b.blocked(1)
	if _, err := tx.Exec(t.Context(), `UPDATE holds SET probe_id = gen_random_uuid(), next_probe_at = now() + interval '1 hour'`); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-took; err != nil {
		t.Error(err)
	}
}

// Many registrations wait for money. To look whether anything may go on, or which WHOIS check could be a
// probe, reads none of them.
func TestHeldJobsOfAStoppedKindAreNotRead(t *testing.T) {
	t.Parallel()
	const many = 20_000
	b := setup(t)
	b.running(record.Register, "mine.nl")
	b.insertHeld(record.Register, many)
	b.insertHeld(record.Whois, 1)
	b.hold(holds.Payment, holds.ScopeRegister)
	b.hold(holds.Auth, holds.ScopeAll)
	if n := b.jobsRead(func(s *store.Store) {
		if p, due, err := s.Holds.TakeProbe(t.Context(), "default", []record.Kind{record.Whois}, time.Hour, time.Hour); err != nil || !due || p.Kind != record.Whois {
			t.Errorf("probe %+v, %v, %v", p, due, err)
		}
	}); n > 100 {
		t.Errorf("taking a probe read %d entries", n)
	}
	b.exec(`DELETE FROM holds WHERE reason = 'auth'`)
	b.insertHeld(record.Whois, 1)
	if n := b.jobsRead(func(s *store.Store) {
		if woken, err := s.Holds.WakeHeld(t.Context(), "default", 50); err != nil || woken != 1 {
			t.Errorf("woke %d, %v; want the one WHOIS check", woken, err)
		}
	}); n > 100 {
		t.Errorf("waking read %d entries of %d jobs that stand still", n, many)
	}
}
