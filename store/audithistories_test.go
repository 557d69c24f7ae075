package store_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// checked makes the fresh check of a batch, and records that it called every domain available.
func (b *bench) checked(h batch) {
	b.t.Helper()
	call := newCall(h.claim, record.OpCheck)
	if err := b.store.Ledger.StartCall(b.t.Context(), call); err != nil {
		b.t.Fatal(err)
	}
	readings := make([]ledger.Reading, len(h.jobs))
	for i, j := range h.jobs {
		readings[i] = ledger.Reading{Job: j.ID, Availability: record.Available}
	}
	b.read(h.claim, call.ID, readings...)
}

// paid settles a paid call in one way for all jobs of a batch.
func (b *bench) paid(h batch, call uuid.UUID, attempt record.AttemptState, become func(uuid.UUID) ledger.Transition) {
	b.t.Helper()
	transitions := map[string]ledger.PaidTransition{}
	for _, j := range h.jobs {
		transitions[j.Domain] = ledger.PaidTransition{Transition: become(j.ID), Attempt: attempt}
	}
	b.settlePaid(h, call, transitions)
}

func soon(id uuid.UUID) ledger.Transition { return ledger.RetryFree(id, -time.Hour, "again") }

// histories are ways that registrations may go. Each is audited after every step.
var histories = map[string]func(b *bench, step func(string)){
	"bisected": func(b *bench, step func(string)) {
		h := b.running(record.Register, "a.nl", "b.nl")
		whole := b.intend(h)
		step("sent as a whole")
		b.paid(h, whole, record.AttemptRefused, ledger.Stay)
		step("refused as a whole")
		for _, half := range []batch{{h.claim, h.jobs[:1]}, {h.claim, h.jobs[1:]}} {
			b.checked(half)
			b.settlePaid(half, b.intend(half), registered(half))
			step("half")
		}
		b.release(h.claim, 0)
	},
	"lost and cleared": func(b *bench, step func(string)) {
		b.lost("a.nl")
		step("lost")
		h := b.again(record.Register, 1)
		step("read")
		call := b.intend(h, h.ids()...)
		step("sent again")
		b.settlePaid(h, call, registered(h))
	},
	"lost, cleared and ended": func(b *bench, step func(string)) {
		b.lost("a.nl")
		h := b.again(record.Register, 1)
		b.overdue()
		b.checked(h)
		b.settleRead(h, ledger.Fail(h.jobs[0].ID, record.Rejected, "bad holder"))
		step("rejected")
		b.submit(newOrder(record.Register, "anew"), "a.nl")
		h = b.claim(newClaim(record.Register), b.fresh(record.Register))
		b.intend(h)
	},
	"success while a newer call is under way": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(record.Register, 1)
		b.checked(h)
		call := b.intend(h, h.ids()...)
		b.settlePaid(first, firstCall, registered(first))
		step("late success")
		b.paid(h, call, record.AttemptRefused, soon)
		step("newer refused")
		h = b.again(record.Register, 1)
		b.settle(h, ledger.Succeed(h.jobs[0].ID, record.Registered))
	},
	"success after the end": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(record.Register, 1)
		b.checked(h)
		b.paid(h, b.intend(h, h.ids()...), record.AttemptFailed, func(id uuid.UUID) ledger.Transition { return ledger.Fail(id, record.Exhausted, "") })
		b.settlePaid(first, firstCall, registered(first))
		b.carryOut(request(operator.Retry, first.ids()...)) // as the audit advises
		step("retried")
		h = b.again(record.Register, 1)
		b.settle(h, ledger.Succeed(h.jobs[0].ID, record.Registered))
	},
	// The transactions of a late success and of what a newer claim does overlap: the times in the rows are those of their
	// beginnings.
	"success that began before a newer claim": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(record.Register, 1)
		b.settlePaid(first, firstCall, registered(first))
		b.exec(`UPDATE attempts SET opened_at = c.taken_at - interval '2 seconds', resolved_at = c.taken_at - interval '1 second'
			FROM claims c WHERE c.id = $1`, h.claim)
		b.exec(`UPDATE jobs SET finished_at = a.resolved_at FROM attempts a`)
	},
	"success that began before the domain was sent again": func(b *bench, step func(string)) {
		first, firstCall := b.lost("a.nl")
		h := b.again(record.Register, 1)
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
		h := b.again(record.Register, 1)
		b.checked(h)
		b.paid(first, firstCall, record.AttemptFailed, soon)
		call := b.intend(h, h.ids()...)
		b.exec(`UPDATE attempts SET resolved_at = newer.opened_at + interval '1 millisecond' FROM attempts newer
			WHERE attempts.call_id = $1 AND newer.call_id = $2`, firstCall, call)
	},
	"confirmed": func(b *bench, step func(string)) {
		h, _ := b.unconfirmed("a.nl")
		step("unconfirmed")
		b.carryOut(request(operator.ConfirmRegistered, h.ids()...))
	},
	"disowned with all that came before": func(b *bench, step func(string)) {
		h := b.running(record.Register, "a.nl")
		b.paid(h, b.intend(h), record.AttemptRefused, soon)
		h = b.again(record.Register, 1)
		lost := b.intend(h)
		b.passLease(h.claim)
		b.expire(-time.Hour)
		last := b.again(record.Register, 1)
		b.settle(last, ledger.Unconfirm(last.jobs[0].ID, "whose?"))
		b.carryOut(request(operator.ConfirmNotRegistered, h.ids()...))
		step("disowned")
		again := b.again(record.Register, 1)
		call := b.intend(again)
		step("sent again")
		b.settlePaid(h, lost, registered(h))
		step("success of a disowned one")
		b.settlePaid(again, call, registered(again))
	},
	"retried": func(b *bench, step func(string)) {
		h, _ := b.rejected("a.nl")
		b.carryOut(request(operator.Retry, h.ids()...))
		step("retried")
		h = b.again(record.Register, 1)
		b.settlePaid(h, b.intend(h), registered(h))
	},
	"canceled while sent": func(b *bench, step func(string)) {
		h := b.running(record.Register, "a.nl", "b.nl", "c.nl", "d.nl")
		call := b.intend(h)
		b.carryOut(request(operator.Cancel, h.ids()...))
		step("marked")
		ids := h.ids()
		b.settlePaid(h, call, map[string]ledger.PaidTransition{
			"a.nl": {Transition: ledger.Succeed(ids[0], record.Registered), Attempt: record.AttemptRegistered},
			"b.nl": {Transition: ledger.Fail(ids[1], record.Rejected, "no"), Attempt: record.AttemptFailed},
			"c.nl": {Transition: soon(ids[2]), Attempt: record.AttemptUnknown},
			"d.nl": {Transition: soon(ids[3]), Attempt: record.AttemptRefused},
		})
		step("settled")
		left := b.again(record.Register, 2)
		b.settle(left, ledger.Unconfirm(left.jobs[0].ID, "whose?"), ledger.Cancel(left.jobs[1].ID, "by ann"))
		step("looked into")
		b.carryOut(request(operator.ConfirmNotRegistered, left.jobs[0].ID))
		step("disowned")
		left = b.again(record.Register, 1)
		b.settle(left, ledger.Cancel(left.jobs[0].ID, "by ann"))
		b.carryOut(request(operator.Retry, ids...))
	},
	"taken, and ordered anew": func(b *bench, step func(string)) {
		h := b.running(record.Register, "a.nl")
		b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, "taken"))
		step("taken")
		b.submit(newOrder(record.Register, "anew"), "a.nl")
		b.submit(newOrder(record.Register, "duplicate"), "a.nl")
		h = b.claim(newClaim(record.Register), b.fresh(record.Register))
		b.intend(h)
		step("in flight")
		b.passLease(h.claim)
		b.expire(time.Hour)
		step("unknown")
	},
	"held and set free": func(b *bench, step func(string)) {
		h := b.running(record.Register, "a.nl", "b.nl")
		if _, err := b.store.Holds.Hold(b.t.Context(), holds.NewHold{
			Account: "default", Reason: holds.Payment, Scope: holds.ScopeRegister, Words: "no funds", ProbeEvery: time.Hour,
		}); err != nil {
			b.t.Fatal(err)
		}
		b.paid(h, b.intendHeld(h), record.AttemptRefused, func(id uuid.UUID) ledger.Transition { return ledger.Hold(id, "no funds") })
		step("held")
		b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 day' WHERE domain = 'a.nl'`)
		step("due while its kind stands still")
		b.exec(`UPDATE jobs SET state = 'held', wake_at = NULL`)
		if _, err := b.store.Holds.Resume(b.t.Context(), "default"); err != nil {
			b.t.Fatal(err)
		}
		if n, err := b.store.Holds.WakeHeld(b.t.Context(), "default", 10); err != nil || n != 2 {
			b.t.Fatal(n, err)
		}
		b.again(record.Register, 2)
	},
	"delivered, lost and recovered": func(b *bench, step func(string)) {
		b.submit(newOrder(record.Whois, "r"), names("x", 25)...)
		step("fresh")
		b.fresh(record.Whois)
		step("delivered")
		b.exec(`UPDATE chunks SET wake_at = now() - interval '1 second' WHERE first_seq <= 11`)
		if _, n, err := b.store.Delivery.RecoverChunks(b.t.Context(), 10); err != nil || n != 20 {
			b.t.Fatal(n, err)
		}
		jobs := b.due(record.Whois)
		step("delivered one by one")
		h := b.claim(newClaim(record.Whois), jobs)
		b.settle(h, ledger.Succeed(h.jobs[0].ID, record.Taken), ledger.Succeed(h.jobs[1].ID, record.Available), ledger.Fail(h.jobs[2].ID, record.Rejected, "no"))
		step("settled in part")
		b.release(h.claim, time.Hour)
	},
	"adopted": func(b *bench, step func(string)) {
		n := newOrder(record.Whois, "adopted")
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
	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids()}
	in.Call.Probe = probe
	if sent, _, err := b.store.Ledger.Intend(b.t.Context(), in); err != nil || len(sent) != len(h.jobs) {
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
			if report.Jobs != jobs || report.Attempts != attempts || report.Orders == 0 || len(report.Checked) != 8 || report.At.IsZero() {
				t.Errorf("it looked at %+v, want %d jobs and %d attempts", report, jobs, attempts)
			}
		})
	}
}
