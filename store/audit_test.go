package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) audit(o store.AuditOptions) store.AuditReport {
	b.t.Helper()
	report, err := b.store.Audit(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// sound checks that an audit finds nothing. Its grace is longer than what the histories set times back by, so that jobs are due
// at once.
func (b *bench) sound(when string) store.AuditReport {
	b.t.Helper()
	report := b.audit(store.AuditOptions{Grace: 2 * time.Hour})
	for _, breach := range report.Breaches {
		b.t.Errorf("%s: %s %s %s: %s", when, breach.Invariant, breach.Domain, breach.Job, breach.What)
	}
	return report
}

// checked makes the fresh check of a batch, and records that it called every domain available.
func (b *bench) checked(h batch) {
	b.t.Helper()
	call := newCall(h.claim, store.OpCheck)
	if err := b.store.StartCall(b.t.Context(), call); err != nil {
		b.t.Fatal(err)
	}
	readings := make([]store.Reading, len(h.jobs))
	for i, j := range h.jobs {
		readings[i] = store.Reading{Job: j.ID, Availability: store.Available}
	}
	if err := b.store.RecordReadings(b.t.Context(), call.ID, readings); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Settle(b.t.Context(), h.claim, store.CallResult{ID: call.ID, Status: 200}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// paid settles a paid call in one way for all jobs of a batch.
func (b *bench) paid(h batch, call uuid.UUID, attempt store.AttemptState, make func(uuid.UUID) store.Transition) {
	b.t.Helper()
	transitions := map[string]store.PaidTransition{}
	for _, j := range h.jobs {
		transitions[j.Domain] = store.PaidTransition{Transition: make(j.ID), Attempt: attempt}
	}
	b.settlePaid(h, call, transitions)
}

func soon(id uuid.UUID) store.Transition { return store.RetryFree(id, -time.Hour, "again") }

// histories are ways that registrations may go. Each is audited after every step.
var histories = map[string]func(b *bench, step func(string)){
	"bisected": func(b *bench, step func(string)) {
		h := b.running(store.Register, "a.nl", "b.nl")
		whole := b.intend(h)
		step("sent as a whole")
		b.paid(h, whole, store.AttemptRefused, store.Stay)
		step("refused as a whole")
		for _, half := range []batch{{h.claim, h.jobs[:1]}, {h.claim, h.jobs[1:]}} {
			b.checked(half)
			b.settlePaid(half, b.intend(half), registered(half))
			step("half")
		}
		b.release(h.claim, 0)
	},
	"lost and cleared": func(b *bench, step func(string)) {
		h, _ := b.lost("a.nl")
		step("lost")
		h = b.again(store.Register, 1)
		b.checked(h)
		step("read")
		call := b.intend(h, h.ids()...)
		step("sent again")
		b.settlePaid(h, call, registered(h))
	},
	"lost, cleared and ended": func(b *bench, step func(string)) {
		b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		if err := b.store.Clear(b.t.Context(), h.claim, h.ids()); err != nil {
			b.t.Fatal(err)
		}
		step("cleared")
		b.settle(h, store.Fail(h.jobs[0].ID, store.Rejected, "bad holder"))
		step("rejected")
		b.submit(newOrder(store.Register, "anew"), "a.nl")
		h = b.claim(newClaim(store.Register), b.fresh(store.Register))
		b.intend(h)
	},
	"success while a newer call is under way": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		call := b.intend(h, h.ids()...)
		b.settlePaid(first, firstCall, registered(first))
		step("late success")
		b.paid(h, call, store.AttemptRefused, soon)
		step("newer refused")
		h = b.again(store.Register, 1)
		b.settle(h, store.Succeed(h.jobs[0].ID, store.Registered))
	},
	"success after the end": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		b.paid(h, b.intend(h, h.ids()...), store.AttemptFailed, func(id uuid.UUID) store.Transition { return store.Fail(id, store.Exhausted, "") })
		b.settlePaid(first, firstCall, registered(first))
		step("late success")
		b.carryOut(request(store.ActRetry, first.ids()...))
		step("retried")
	},
	// The transactions of a late success and of what a newer claim does overlap: the times in the rows are those of their
	// beginnings.
	"success that began before a newer claim": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.settlePaid(first, firstCall, registered(first))
		b.exec(`UPDATE attempts SET opened_at = c.taken_at - interval '2 seconds', resolved_at = c.taken_at - interval '1 second'
			FROM claims c WHERE c.id = $1`, h.claim)
		b.exec(`UPDATE jobs SET finished_at = a.resolved_at FROM attempts a`)
	},
	"success that began before the domain was sent again": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		b.exec(`UPDATE readings SET read_at = read_at - interval '1 second'`)
		b.exec(`UPDATE attempts SET opened_at = opened_at - interval '2 seconds'`)
		call := b.intend(h, h.ids()...)
		b.settlePaid(first, firstCall, registered(first))
		b.exec(`UPDATE attempts SET resolved_at = newer.opened_at - interval '1 millisecond' FROM attempts newer
			WHERE attempts.call_id = $1 AND newer.call_id = $2`, firstCall, call)
		step("late success")
	},
	"refusal that was settled while the readings cleared it": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		b.paid(first, firstCall, store.AttemptFailed, soon)
		call := b.intend(h, h.ids()...)
		b.exec(`UPDATE attempts SET resolved_at = newer.opened_at + interval '1 millisecond' FROM attempts newer
			WHERE attempts.call_id = $1 AND newer.call_id = $2`, firstCall, call)
	},
	"confirmed": func(b *bench, step func(string)) {
		h, _ := b.unconfirmed("a.nl")
		step("unconfirmed")
		b.carryOut(request(store.ActConfirmRegistered, h.ids()...))
	},
	"disowned with all that came before": func(b *bench, step func(string)) {
		h := b.running(store.Register, "a.nl")
		b.paid(h, b.intend(h), store.AttemptRefused, soon)
		h = b.again(store.Register, 1)
		lost := b.intend(h)
		b.passLease(h.claim)
		b.expire(-time.Hour)
		last := b.again(store.Register, 1)
		b.settle(last, store.Unconfirm(last.jobs[0].ID, "whose?"))
		b.carryOut(request(store.ActConfirmNotRegistered, h.ids()...))
		step("disowned")
		again := b.again(store.Register, 1)
		call := b.intend(again)
		step("sent again")
		b.settlePaid(h, lost, registered(h))
		step("success of a disowned one")
		b.settlePaid(again, call, registered(again))
	},
	"retried": func(b *bench, step func(string)) {
		h, _ := b.rejected("a.nl")
		b.carryOut(request(store.ActRetry, h.ids()...))
		step("retried")
		h = b.again(store.Register, 1)
		b.settlePaid(h, b.intend(h), registered(h))
	},
	"canceled while sent": func(b *bench, step func(string)) {
		h := b.running(store.Register, "a.nl", "b.nl", "c.nl", "d.nl")
		call := b.intend(h)
		b.carryOut(request(store.ActCancel, h.ids()...))
		step("marked")
		ids := h.ids()
		b.settlePaid(h, call, map[string]store.PaidTransition{
			"a.nl": {Transition: store.Succeed(ids[0], store.Registered), Attempt: store.AttemptRegistered},
			"b.nl": {Transition: store.Fail(ids[1], store.Rejected, "no"), Attempt: store.AttemptFailed},
			"c.nl": {Transition: soon(ids[2]), Attempt: store.AttemptUnknown},
			"d.nl": {Transition: soon(ids[3]), Attempt: store.AttemptRefused},
		})
		step("settled")
		left := b.again(store.Register, 2)
		b.settle(left, store.Unconfirm(left.jobs[0].ID, "whose?"), store.Cancel(left.jobs[1].ID, "by ann"))
		step("looked into")
		b.carryOut(request(store.ActConfirmNotRegistered, left.jobs[0].ID))
		step("disowned")
		left = b.again(store.Register, 1)
		b.settle(left, store.Cancel(left.jobs[0].ID, "by ann"))
		b.carryOut(request(store.ActRetry, ids...))
	},
	"taken, and ordered anew": func(b *bench, step func(string)) {
		h := b.running(store.Register, "a.nl")
		b.settle(h, store.Fail(h.jobs[0].ID, store.Taken, "taken"))
		step("taken")
		b.submit(newOrder(store.Register, "anew"), "a.nl")
		b.submit(newOrder(store.Register, "duplicate"), "a.nl")
		h = b.claim(newClaim(store.Register), b.fresh(store.Register))
		b.intend(h)
		step("in flight")
		b.passLease(h.claim)
		b.expire(time.Hour)
		step("unknown")
	},
	"held and set free": func(b *bench, step func(string)) {
		h := b.running(store.Register, "a.nl", "b.nl")
		if _, err := b.store.Hold(b.t.Context(), store.NewHold{
			Account: "default", Reason: store.HoldPayment, Scope: store.ScopeRegister, Words: "no funds", ProbeEvery: time.Hour,
		}); err != nil {
			b.t.Fatal(err)
		}
		b.paid(h, b.intendHeld(h), store.AttemptRefused, func(id uuid.UUID) store.Transition { return store.Hold(id, "no funds") })
		step("held")
		b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 day' WHERE domain = 'a.nl'`)
		step("due while its kind stands still")
		b.exec(`UPDATE jobs SET state = 'held', wake_at = NULL`)
		if _, err := b.store.Lift(b.t.Context(), "default", store.HoldPayment); err != nil {
			b.t.Fatal(err)
		}
		if n, err := b.store.WakeHeld(b.t.Context(), "default", 10); err != nil || n != 2 {
			b.t.Fatal(n, err)
		}
		b.again(store.Register, 2)
	},
	"delivered, lost and recovered": func(b *bench, step func(string)) {
		b.submit(newOrder(store.Whois, "r"), names("x", 25)...)
		step("fresh")
		b.fresh(store.Whois)
		step("delivered")
		b.exec(`UPDATE chunks SET wake_at = now() - interval '1 second' WHERE first_seq <= 11`)
		if _, n, err := b.store.RecoverChunks(b.t.Context(), 10); err != nil || n != 20 {
			b.t.Fatal(n, err)
		}
		jobs := b.due(store.Whois)
		step("delivered one by one")
		h := b.claim(newClaim(store.Whois), jobs)
		b.settle(h, store.Succeed(h.jobs[0].ID, store.Taken), store.Succeed(h.jobs[1].ID, store.Available), store.Fail(h.jobs[2].ID, store.Rejected, "no"))
		step("settled in part")
		b.release(h.claim, time.Hour)
	},
	"adopted": func(b *bench, step func(string)) {
		n := newOrder(store.Whois, "adopted")
		n.Digest = [32]byte{}
		b.adopt(n, newJobs("a.nl", "b.nl"))
		step("first chunk")
		b.adopt(n, newJobs("c.nl"))
	},
}

// intendHeld is intend for an account on which a hold has come to stand since.
func (b *bench) intendHeld(h batch) uuid.UUID {
	b.t.Helper()
	probe := newID()
	b.exec(`UPDATE holds SET probe_id = $1`, probe)
	in := store.Intent{Call: newCall(h.claim, store.OpRegister), Jobs: h.ids()}
	in.Call.Probe = probe
	if sent, err := b.store.Intend(b.t.Context(), in); err != nil || len(sent) != len(h.jobs) {
		b.t.Fatalf("may send %d of %d, %v", len(sent), len(h.jobs), err)
	}
	return in.Call.ID
}

func TestAuditOfSoundHistories(t *testing.T) {
	t.Parallel()
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			history(b, func(when string) {
				t.Helper()
				b.sound(when)
			})
			report := b.sound("in the end")
			jobs, attempts := get[int](b, `SELECT count(*) FROM jobs`), get[int](b, `SELECT count(*) FROM attempts`)
			if report.Jobs != jobs || report.Attempts != attempts || report.Orders == 0 || len(report.Checked) != 7 || report.At.IsZero() {
				t.Errorf("it looked at %+v, want %d jobs and %d attempts", report, jobs, attempts)
			}
		})
	}
}

// What waits for its turn is not overdue, and what is past its time for less than the grace neither.
func TestAuditGrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	working := b.running(store.Whois, "working.nl")
	b.submit(newOrder(store.Whois, "due"), "due.nl")
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET wake_at = now() - interval '10 minutes' WHERE domain = 'due.nl'`)
	count := func(grace time.Duration, want int) {
		t.Helper()
		if n := b.audit(store.AuditOptions{Grace: grace}).Total(); n != want {
			t.Errorf("grace %v: %d breaches, want %d", grace, n, want)
		}
	}
	count(0, 1)
	count(time.Minute, 0) // its line moves
	count(9*time.Second, 1)
	b.settle(working, store.Succeed(working.jobs[0].ID, store.Available))
	b.exec(`UPDATE claims SET taken_at = now() - interval '5 minutes'`)
	count(time.Minute, 1)
	count(11*time.Minute, 0)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE domain = 'due.nl'`)
	count(0, 0)

	b.submit(newOrder(store.Whois, "chunk"), "chunk.nl")
	b.fresh(store.Whois)
	b.exec(`UPDATE chunks SET wake_at = now() - interval '10 seconds'`)
	count(time.Minute, 0)
	count(time.Second, 1)
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE domain = 'chunk.nl'`)
	running := b.running(store.Whois, "running.nl")
	b.exec(`UPDATE claims SET lease_until = now() - interval '10 seconds' WHERE id = $1`, running.claim)
	count(time.Minute, 0)
	count(time.Second, 1)
}

// Jobs that a prober wakes right now are not forgotten.
func TestAuditWatchesHeldJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Whois, names("x", 5)...)
	b.bring(h, "held")
	if r := b.audit(store.AuditOptions{Grace: 10 * time.Millisecond}); r.Total() != 5 || r.Breaches[0].Invariant != "I2" {
		t.Errorf("forgotten jobs: %+v", r)
	}
	done := make(chan store.AuditReport, 1)
	go func() {
		report, err := b.store.Audit(t.Context(), store.AuditOptions{Grace: time.Minute})
		if err != nil {
			t.Error(err)
		}
		done <- report
	}()
	b.eventually(func() bool {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE '%held_account AS account%' AND state = 'idle'`) > 0
	})
	if n, err := b.store.WakeHeld(t.Context(), "default", 2); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	for _, breach := range (<-done).Breaches {
		t.Errorf("%s: %s", breach.Domain, breach.What)
	}
}

// breakage is one way to break an invariant, past all rules. It returns the job that it is about.
type breakage struct {
	make   func(b *bench) uuid.UUID
	want   string // invariants of the breaches, in order
	what   string // the last breach says
	advice string
}

// twiceRefused is a job that was sent and refused twice, and waits.
func (b *bench) twiceRefused() (id uuid.UUID, calls [2]uuid.UUID) {
	b.t.Helper()
	h := b.running(store.Register, "a.nl")
	calls[0] = b.intend(h)
	b.paid(h, calls[0], store.AttemptRefused, soon)
	h = b.again(store.Register, 1)
	calls[1] = b.intend(h)
	b.paid(h, calls[1], store.AttemptRefused, func(id uuid.UUID) store.Transition { return store.RetryFree(id, time.Hour, "") })
	return h.jobs[0].ID, calls
}

// first changes the first of the two attempts of twiceRefused.
func first(change string) func(b *bench) uuid.UUID {
	return func(b *bench) uuid.UUID {
		b.t.Helper()
		id, calls := b.twiceRefused()
		b.sound("before it is broken")
		b.exec(`UPDATE attempts a SET `+change+` FROM attempts next WHERE a.call_id = $1 AND next.call_id = $2`, calls[0], calls[1])
		return id
	}
}

func (b *bench) idOf(domain string) uuid.UUID {
	b.t.Helper()
	return get[uuid.UUID](b, `SELECT id FROM jobs WHERE domain = $1`, domain)
}

// one runs a job, and breaks it.
func one(kind store.Kind, standing, change string) func(b *bench) uuid.UUID {
	return func(b *bench) uuid.UUID {
		b.t.Helper()
		h := b.running(kind, "a.nl")
		if standing != "" {
			b.bring(h, standing)
		}
		if change != "" {
			b.exec(change)
		}
		return h.jobs[0].ID
	}
}

var breakages = map[string]breakage{
	"I1 a job is gone": {func(b *bench) uuid.UUID {
		b.submit(newOrder(store.Whois, "of a.nl"), "a.nl", "b.nl")
		b.exec(`DELETE FROM jobs WHERE domain = 'a.nl'`)
		return uuid.Nil
	}, "I1", "The order has 1 jobs, and was accepted with 2.", "compare with a backup"},
	"I1 an order is gone": {func(b *bench) uuid.UUID {
		b.bring(b.running(store.Whois, "a.nl"), "succeeded available")
		b.exec(`DELETE FROM orders WHERE kind = 'whois'`)
		return uuid.Nil
	}, "I1", "There are 1 jobs of an order with the number 2, which does not exist.", "compare with a backup"},

	"I2 without a claim":          {one(store.Whois, "", `DELETE FROM claims WHERE kind = 'whois'`), "I2", "which is not on record", "UPDATE jobs SET state = 'retrying'"},
	"I2 under a claim that ended": {one(store.Whois, "", `UPDATE claims SET closed_at = now()`), "I2", "which has ended", "UPDATE jobs SET state = 'retrying'"},
	"I2 past its lease": {one(store.Whois, "", `UPDATE claims SET lease_until = now() - interval '1 second'`),
		"I2", "whose lease passed at 20", "See that workers run"},
	"I2 held for nothing": {one(store.Whois, "held", ""), "I2", "no hold on its account stops it any more", "it wakes the jobs of lifted holds"},
	"I2 held for another kind": {func(b *bench) uuid.UUID {
		b.exec(`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at)
			VALUES ('default', 'payment', 'register', 'no funds', interval '1 minute', now())`)
		return one(store.Whois, "held", "")(b)
	}, "I2", "no hold on its account stops it any more", "it wakes the jobs of lifted holds"},
	"I2 past its time": {one(store.Whois, "", `UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 second' WHERE domain = 'a.nl'`),
		"I2", "should have been delivered at 20", "See that workers run"},
	"I2 in a chunk past its time": {func(b *bench) uuid.UUID {
		b.submit(newOrder(store.Whois, "of a.nl"), "a.nl")
		b.fresh(store.Whois)
		b.exec(`UPDATE chunks SET wake_at = now() - interval '1 second'`)
		return b.idOf("a.nl")
	}, "I2", "delivered and not claimed by 20", "See that workers run"},
	"I2 without a chunk": {func(b *bench) uuid.UUID {
		b.submit(newOrder(store.Whois, "of a.nl"), "a.nl")
		b.exec(`DELETE FROM chunks`)
		return b.idOf("a.nl")
	}, "I2", "no chunk covers it", "UPDATE jobs SET state = 'retrying'"},

	"I5 sent again without an answer": {first(`state = 'unknown', resolved_at = NULL, resolved_by = NULL`), "I5", "has no answer to this day", "Ask the registrar"},
	"I5 sent again before the answer": {first(`resolved_at = next.opened_at + interval '1 second'`), "I5", "before the earlier call for it was resolved", "Ask the registrar"},
	"I5 answered after it was sent again": {first(`state = 'registered', resolved_at = next.opened_at + interval '1 second'`),
		"I5", "before the earlier call for it was resolved", "Ask the registrar"},
	"I5 sent again after a success": {first(`state = 'registered'`), "I5", "although a success for it was on record since", "Ask the registrar"},
	"I5 answered long after it was sent again": {func(b *bench) uuid.UUID {
		first, firstCall := b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.checked(h)
		b.paid(first, firstCall, store.AttemptFailed, soon)
		call := b.intend(h, h.ids()...)
		b.exec(`UPDATE attempts SET resolved_at = newer.opened_at + interval '2 minutes' FROM attempts newer
			WHERE attempts.call_id = $1 AND newer.call_id = $2`, firstCall, call)
		return h.jobs[0].ID
	}, "I5", "before the earlier call for it was resolved", "Ask the registrar"},
	"I5 cleared without a reading":         {first(`state = 'cleared', resolved_by = 'readings'`), "I5", "on record as cleared by readings", "Ask the registrar"},
	"I5 disowned by nobody":                {first(`state = 'disowned', resolved_by = 'bob'`), "I5", "on record as disowned by bob", "Ask the registrar"},
	"I5 resolved by nothing but the lease": {first(`resolved_by = 'lease'`), "I5", "on record as refused by lease", "Ask the registrar"},
	"I5 a reply that its call does not know": {func(b *bench) uuid.UUID {
		id, calls := b.twiceRefused()
		b.exec(`UPDATE calls SET finished_at = NULL WHERE id = $1`, calls[0])
		return id
	}, "I5", "on record as refused by reply", "Ask the registrar"},
	"I5 cleared without a reading, by a worker": {func(b *bench) uuid.UUID {
		b.lost("a.nl")
		h := b.again(store.Register, 1)
		b.intend(h, h.ids()...)
		return h.jobs[0].ID
	}, "I5", "on record as cleared by readings", "Ask the registrar"},

	"I7 registered by nobody": {one(store.Register, "succeeded registered", ""), "I7", "with no success reply on record", "whether the domain is ours"},
	"I7 confirmed by nobody": {func(b *bench) uuid.UUID {
		h, _ := b.unconfirmed("a.nl")
		b.carryOut(request(store.ActConfirmRegistered, h.ids()...))
		b.exec(`DELETE FROM operator_acts`)
		return h.jobs[0].ID
	}, "I7", "no operator who confirmed it", "whether the domain is ours"},

	"I8 taken while open": {func(b *bench) uuid.UUID {
		h := b.running(store.Register, "a.nl")
		b.intend(h)
		b.bring(h, "failed taken")
		return h.jobs[0].ID
	}, "I8", "while a paid call for its domain was open", "do not order it again"},
	"I8 rejected while unknown": {func(b *bench) uuid.UUID {
		h, _ := b.lost("a.nl")
		b.bring(h, "failed rejected")
		return h.jobs[0].ID
	}, "I8", "while a paid call for its domain was unknown", "do not order it again"},

	"I9 two open attempts": {func(b *bench) uuid.UUID {
		id, _ := b.twiceRefused()
		b.exec(`DROP INDEX attempts_unresolved`)
		b.exec(`UPDATE attempts SET state = 'unknown', resolved_at = NULL, resolved_by = NULL WHERE job_id = $1`, id)
		return id
	}, "I5 I9", "The domain has 2 attempts that are not resolved.", "missing or damaged"},
	"I9 two live jobs": {func(b *bench) uuid.UUID {
		b.running(store.Register, "b.nl")
		h := b.running(store.Register, "a.nl")
		b.exec(`DROP INDEX jobs_live_domain`)
		b.exec(`UPDATE jobs SET domain = 'a.nl' WHERE domain = 'b.nl'`)
		return h.jobs[0].ID
	}, "I9", "The domain has 2 live or registered jobs", "missing or damaged"},

	"I10 sent after its end": {func(b *bench) uuid.UUID {
		h, _ := b.rejected("a.nl")
		b.exec(`UPDATE jobs SET finished_at = finished_at - interval '1 second' WHERE domain = 'a.nl'`)
		return h.jobs[0].ID
	}, "I10", "and its domain was sent at 20", "keep a copy of the database"},
	"I10 claimed after its end": {one(store.Whois, "succeeded available", `UPDATE jobs SET finished_at = finished_at - interval '1 second' WHERE domain = 'a.nl'`),
		"I10", "and a worker claimed it at 20", "keep a copy of the database"},
	"I10 a success undone": {func(b *bench) uuid.UUID {
		h := b.running(store.Register, "a.nl")
		b.settlePaid(h, b.intend(h), registered(h))
		b.exec(`UPDATE jobs SET state = 'retrying', outcome = NULL, finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, h.jobs[0].ID)
		return h.jobs[0].ID
	}, "I10", "and yet it is retrying", "keep a copy of the database"},
	"I10 a confirmation undone": {func(b *bench) uuid.UUID {
		h, _ := b.unconfirmed("a.nl")
		b.carryOut(request(store.ActConfirmRegistered, h.ids()...))
		b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted' WHERE id = $1`, h.jobs[0].ID)
		return h.jobs[0].ID
	}, "I10", "An operator's act, confirm registered, ended the job, and it was failed afterwards", "keep a copy of the database"},
	"I10 a cancel undone": {func(b *bench) uuid.UUID {
		b.submit(newOrder(store.Register, "of a.nl"), "a.nl")
		id := b.idOf("a.nl")
		b.carryOut(request(store.ActCancel, id))
		b.exec(`UPDATE jobs SET state = 'queued', finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, id)
		return id
	}, "I10", "An operator's act, cancel, ended the job, and it was queued afterwards", "keep a copy of the database"},
	"I10 a cancel undone before the next act": {func(b *bench) uuid.UUID {
		b.submit(newOrder(store.Register, "of a.nl"), "a.nl")
		id := b.idOf("a.nl")
		b.carryOut(request(store.ActCancel, id))
		b.exec(`UPDATE jobs SET state = 'queued', finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, id)
		b.carryOut(request(store.ActCancel, id))
		return id
	}, "I10", "An operator's act, cancel, ended the job, and it was queued afterwards", "keep a copy of the database"},
	"I10 an attempt is gone": {func(b *bench) uuid.UUID {
		h := b.running(store.Register, "a.nl", "b.nl")
		b.intend(h)
		b.exec(`DELETE FROM attempts WHERE domain = 'a.nl'`)
		return uuid.Nil
	}, "I10", "There are 1 of 2 attempts on record for the paid call ", "Attempts were removed or added past bulkreg"},
}

func TestAuditFindsBreaches(t *testing.T) {
	t.Parallel()
	for name, c := range breakages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			whole := b.running(store.Register, "whole.nl") // which must not be named
			b.settlePaid(whole, b.intend(whole), registered(whole))
			id := c.make(b)
			report := b.audit(store.AuditOptions{})
			var found []string
			for _, breach := range report.Breaches {
				found = append(found, breach.Invariant)
				if breach.Job != id {
					t.Errorf("it names job %s, want %s", breach.Job, id)
				}
				t.Log(breach.What)
			}
			if strings.Join(found, " ") != c.want || report.Total() != len(found) {
				t.Fatalf("it found %+v, want %s", report, c.want)
			}
			last := report.Breaches[len(found)-1]
			if !strings.Contains(last.What, c.what) || !strings.Contains(last.Advice, c.advice) {
				t.Errorf("it says %q and advises %q, want %q and %q", last.What, last.Advice, c.what, c.advice)
			}
			if strings.Contains(last.What, "$") {
				t.Errorf("it says %q", last.What)
			}
			wantOrder := "of a.nl"
			if name == "I1 an order is gone" {
				wantOrder = ""
			}
			if last.Reference != wantOrder || id != uuid.Nil && last.Domain != "a.nl" {
				t.Errorf("order %s of %s, domain %s", last.Reference, last.Source, last.Domain)
			}
		})
	}
}

// Every breach is counted, and the first are listed.
func TestAuditIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(store.Whois, "r"), names("x", 250)...)
	b.exec(`DELETE FROM chunks`)
	for limit, want := range map[int]int{0: 100, 7: 7, 1000: 250} {
		report := b.audit(store.AuditOptions{Limit: limit})
		if len(report.Breaches) != want || report.Total() != 250 {
			t.Fatalf("limit %d: %d of %d breaches are listed, want %d of 250", limit, len(report.Breaches), report.Total(), want)
		}
		for i, breach := range report.Breaches {
			if breach.Domain != names("x", 250)[i] {
				t.Errorf("limit %d: breach %d is about %s", limit, i, breach.Domain)
			}
		}
	}
}

// Nothing is locked, changed, or left behind in a session.
func TestAuditLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Register, "a.nl")
	b.intend(h)
	s := b.open(store.Options{MaxConns: 1})
	before := b.fingerprint()
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, table := range []string{"orders", "jobs", "chunks", "claims", "calls", "attempts", "readings", "holds", "operator_acts"} {
		if _, err := tx.Exec(t.Context(), fmt.Sprintf(`LOCK TABLE %s IN EXCLUSIVE MODE`, table)); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := s.Audit(t.Context(), store.AuditOptions{}); err != nil || report.Total() != 0 {
		t.Errorf("it found %+v, %v", report, err)
	}
	if b.fingerprint() != before {
		t.Error("something changed")
	}
}
