package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// breakage is one way to break an invariant, past all rules. It returns the job that it is about.
type breakage struct {
	damage func(b *bench) uuid.UUID
	want   string // invariants of the breaches, in order
	what   string // the last breach says
	advice string
}

// twiceRefused is a job that was sent and refused twice, and waits.
func (b *bench) twiceRefused() (id uuid.UUID, calls [2]uuid.UUID) {
	b.t.Helper()
	h := b.running(record.Register, "a.nl")
	calls[0] = b.intend(h)
	b.paid(h, calls[0], record.AttemptRefused, soon)
	h = b.again(record.Register, 1)
	calls[1] = b.intend(h)
	b.paid(h, calls[1], record.AttemptRefused, func(id uuid.UUID) ledger.Transition { return ledger.RetryFree(id, time.Hour, "") })
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
func one(kind record.Kind, standing, change string) func(b *bench) uuid.UUID {
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

// adopted makes an order of two chunks of a producer, and breaks it.
func adopted(change string) func(b *bench) uuid.UUID {
	return func(b *bench) uuid.UUID {
		b.t.Helper()
		b.adopt(newOrder(record.Whois, "of a.nl"), newJobs("a.nl", "b.nl"))
		b.adopt(newOrder(record.Whois, "of a.nl"), newJobs("c.nl"))
		b.sound("before it is broken")
		b.exec(change)
		return uuid.Nil
	}
}

var breakages = map[string]breakage{
	"I1 a job is gone": {func(b *bench) uuid.UUID {
		b.submit(newOrder(record.Whois, "of a.nl"), "a.nl", "b.nl")
		b.exec(`DELETE FROM jobs WHERE domain = 'a.nl'`)
		return uuid.Nil
	}, "I1", "The order has 1 jobs, and was accepted with 2.", "compare with a backup"},
	"I1 an order is gone": {func(b *bench) uuid.UUID {
		b.bring(b.running(record.Whois, "a.nl"), "succeeded available")
		b.exec(`DELETE FROM orders WHERE kind = 'whois'`)
		return uuid.Nil
	}, "I1", "There are 1 jobs of an order with the number 2, which does not exist.", "compare with a backup"},

	"I1 a job of chunks is gone": {adopted(`DELETE FROM jobs WHERE domain = 'b.nl'`), "I1", "The order has 2 jobs, and was accepted with 3.", "compare with a backup"},
	"I1 a job more than came in": {adopted(`UPDATE orders SET total = 2 WHERE reference = 'of a.nl'`), "I1", "The order has 3 jobs, and was accepted with 2.", "compare with a backup"},
	"I1 a job of chunks is gone, and no longer counted": {adopted(`WITH gone AS (DELETE FROM jobs WHERE domain = 'b.nl')
		UPDATE orders SET total = 2 WHERE reference = 'of a.nl'`), "I1", "The order has 2 jobs, and their places in it go further.", "compare with a backup"},
	"I1 all jobs vanished": {adopted(`WITH gone AS (DELETE FROM jobs WHERE kind = 'whois') UPDATE orders SET total = 0 WHERE reference = 'of a.nl'`), "I1", "The order was accepted, and has no job.", "enqueue them again"},
	"I1 a job of another account": {func(b *bench) uuid.UUID {
		adopted(`UPDATE jobs SET account = 'partner' WHERE domain = 'a.nl'`)(b)
		return b.idOf("a.nl")
	}, "I1", "The job is for whois of account partner, and its order for whois of account default.", "compare with a backup"},

	"I2 without a claim":          {one(record.Whois, "", `DELETE FROM claims WHERE kind = 'whois'`), "I2", "which is not on record", "UPDATE jobs SET state = 'retrying'"},
	"I2 under a claim that ended": {one(record.Whois, "", `UPDATE claims SET closed_at = now()`), "I2", "which has ended", "UPDATE jobs SET state = 'retrying'"},
	"I2 past its lease": {one(record.Whois, "", `UPDATE claims SET lease_until = now() - interval '1 second'`),
		"I2", "whose lease passed at 20", "See that workers run"},
	"I2 held for nothing": {one(record.Whois, "held", ""), "I2", "no hold on its account stops it any more", "it wakes the jobs of lifted holds"},
	"I2 held for another kind": {func(b *bench) uuid.UUID {
		b.exec(`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at)
			VALUES ('default', 'payment', 'register', 'no funds', interval '1 minute', now())`)
		return one(record.Whois, "held", "")(b)
	}, "I2", "no hold on its account stops it any more", "it wakes the jobs of lifted holds"},
	"I2 past its time": {one(record.Whois, "", `UPDATE jobs SET state = 'retrying', wake_at = now() - interval '1 second' WHERE domain = 'a.nl'`),
		"I2", "should have been delivered at 20", "See that workers run"},
	"I2 in a chunk past its time": {func(b *bench) uuid.UUID {
		b.submit(newOrder(record.Whois, "of a.nl"), "a.nl")
		b.fresh(record.Whois)
		b.exec(`UPDATE chunks SET wake_at = now() - interval '1 second'`)
		return b.idOf("a.nl")
	}, "I2", "delivered and not claimed by 20", "See that workers run"},
	"I2 without a chunk": {func(b *bench) uuid.UUID {
		b.submit(newOrder(record.Whois, "of a.nl"), "a.nl")
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
		h := b.again(record.Register, 1)
		b.checked(h)
		b.paid(first, firstCall, record.AttemptFailed, soon)
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
		h := b.again(record.Register, 1)
		b.exec(`UPDATE attempts SET state = 'cleared', resolved_at = now(), resolved_by = 'readings' WHERE state = 'unknown'`)
		b.intend(h)
		return h.jobs[0].ID
	}, "I5", "on record as cleared by readings", "Ask the registrar"},

	"I7 registered by nobody": {one(record.Register, "succeeded registered", ""), "I7", "with no success reply on record", "whether the domain is ours"},
	"I7 confirmed by nobody": {func(b *bench) uuid.UUID {
		h, _ := b.unconfirmed("a.nl")
		b.carryOut(request(operator.ConfirmRegistered, h.ids()...))
		b.exec(`DELETE FROM operator_acts`)
		return h.jobs[0].ID
	}, "I7", "no operator who confirmed it", "whether the domain is ours"},

	"I7 issued, and no token": {issuedWithout(`DELETE FROM tokens`), "I7", "no token of its order is kept", "order it anew"},
	"I7 a token of another order": {
		issuedWithout(`UPDATE tokens SET order_id = (SELECT min(id) FROM orders WHERE kind <> 'token')`),
		"I7", "no token of its order is kept", "order it anew"},
	"I7 a token of no job for tokens": {func(b *bench) uuid.UUID {
		id := one(record.Whois, "succeeded available", "")(b)
		b.exec(`INSERT INTO tokens (job_id, order_id, sealed, sent_at, expires_at) SELECT id, order_id, sha256('x') || sha256('x'), now(), now() + interval '1 minute' FROM jobs WHERE kind = 'whois'`)
		return id
	}, "I7", "A token is kept for it", "compare with a backup"},
	"I7 issued and never asked for": {issuedWithout(`DELETE FROM claims WHERE kind = 'token'; SELECT recount_orders()`), "I7", "no call on record that brought a token", "compare with a backup"},
	"I7 expired and never asked for": {
		issuedWithout(`DELETE FROM tokens; UPDATE jobs SET outcome = 'expired' WHERE kind = 'token'; UPDATE calls SET status = 500 WHERE op = 'token'`), "I7", "no call on record that brought a token", "compare with a backup"},

	"I8 taken while open": {func(b *bench) uuid.UUID {
		h := b.running(record.Register, "a.nl")
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
		b.running(record.Register, "b.nl")
		h := b.running(record.Register, "a.nl")
		b.exec(`DROP INDEX jobs_live_domain`)
		b.exec(`UPDATE jobs SET domain = 'a.nl' WHERE domain = 'b.nl'`)
		return h.jobs[0].ID
	}, "I9", "The domain has 2 live or registered jobs", "missing or damaged"},

	"I10 sent after its end": {func(b *bench) uuid.UUID {
		h, _ := b.rejected("a.nl")
		b.exec(`UPDATE jobs SET finished_at = finished_at - interval '1 second' WHERE domain = 'a.nl'`)
		return h.jobs[0].ID
	}, "I10", "and its domain was sent at 20", "keep a copy of the database"},
	"I10 claimed after its end": {one(record.Whois, "succeeded available", `UPDATE jobs SET finished_at = finished_at - interval '1 second' WHERE domain = 'a.nl'`),
		"I10", "and a worker claimed it at 20", "keep a copy of the database"},
	"I10 a success undone": {func(b *bench) uuid.UUID {
		h := b.running(record.Register, "a.nl")
		b.settlePaid(h, b.intend(h), registered(h))
		b.exec(`UPDATE jobs SET state = 'retrying', outcome = NULL, finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, h.jobs[0].ID)
		return h.jobs[0].ID
	}, "I10", "and yet it is retrying", "keep a copy of the database"},
	"I6 a success after the end": {func(b *bench) uuid.UUID {
		first, firstCall := b.lost("a.nl")
		h := b.again(record.Register, 1)
		b.checked(h)
		b.paid(h, b.intend(h, h.ids()...), record.AttemptFailed, func(id uuid.UUID) ledger.Transition { return ledger.Fail(id, record.Exhausted, "") })
		b.settlePaid(first, firstCall, registered(first))
		return first.jobs[0].ID
	}, "I6", "when the job had ended as exhausted: the domain is ours", "ends as registered, without being sent again"},
	"I10 a confirmation undone": {func(b *bench) uuid.UUID {
		h, _ := b.unconfirmed("a.nl")
		b.carryOut(request(operator.ConfirmRegistered, h.ids()...))
		b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted' WHERE id = $1`, h.jobs[0].ID)
		return h.jobs[0].ID
	}, "I6 I10", "An operator's act, confirm registered, ended the job, and it was failed afterwards", "keep a copy of the database"},
	"I10 a cancel undone": {func(b *bench) uuid.UUID {
		b.submit(newOrder(record.Register, "of a.nl"), "a.nl")
		id := b.idOf("a.nl")
		b.carryOut(request(operator.Cancel, id))
		b.exec(`UPDATE jobs SET state = 'queued', finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, id)
		return id
	}, "I10", "An operator's act, cancel, ended the job, and it was queued afterwards", "keep a copy of the database"},
	"I10 a cancel undone before the next act": {func(b *bench) uuid.UUID {
		b.submit(newOrder(record.Register, "of a.nl"), "a.nl")
		id := b.idOf("a.nl")
		b.carryOut(request(operator.Cancel, id))
		b.exec(`UPDATE jobs SET state = 'queued', finished_at = NULL, wake_at = now() + interval '1 hour' WHERE id = $1`, id)
		b.carryOut(request(operator.Cancel, id))
		return id
	}, "I10", "An operator's act, cancel, ended the job, and it was queued afterwards", "keep a copy of the database"},
	"I10 an attempt is gone": {func(b *bench) uuid.UUID {
		h := b.running(record.Register, "a.nl", "b.nl")
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
			whole := b.running(record.Register, "whole.nl") // which must not be named
			b.settlePaid(whole, b.intend(whole), registered(whole))
			id := c.damage(b)
			report := b.audit(audit.Options{})
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
			if last.Reference != wantOrder || id != uuid.Nil && last.Domain != "a.nl" && last.Domain != "person-aaaaaaaaaaaaaaaa" {
				t.Errorf("order %s of %s, domain %s", last.Reference, last.Source, last.Domain)
			}
		})
	}
}

// issuedWithout makes a job with a token, and then changes rows.
func issuedWithout(sql string) func(*bench) uuid.UUID {
	return func(b *bench) uuid.UUID {
		_, h := b.claimedTokens("of a.nl", 1)
		if _, err := b.store.Ledger.SettleTokens(b.t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 0, 0, 1)}); err != nil {
			b.t.Fatal(err)
		}
		b.sound("with a token")
		b.exec(sql)
		return h.jobs[0].ID
	}
}
