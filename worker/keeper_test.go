package worker_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// A worker that starts on a Postgres that may have forgotten what was sent sends nothing until a person lets it. WHOIS goes on.
func TestRestoredPostgresSendsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	registrations := b.submit(queue.Register, "register", []string{"a.nl", "b.nl", "taken-c.nl"})
	if n := b.sql(`WITH before AS (INSERT INTO lineage (timeline, home) VALUES (7, 'elsewhere') RETURNING 1) SELECT count(*) FROM before`); n != 1 {
		t.Fatal("nothing on record")
	}
	b.work(b.options())
	checks := b.submit(queue.Whois, "whois", names("free", 3))
	if sum := b.settled(checks)[0]; sum.Outcomes[record.Available] != 3 {
		t.Errorf("checks under the hold: %v", sum.Outcomes)
	}
	if n := b.sql(`SELECT count(*) FROM holds WHERE reason = 'restored' AND account = 'default'`); n != 1 {
		t.Errorf("%d holds", n)
	}
	if n := b.sql(`SELECT count(*) FROM calls WHERE op IN ('check', 'register') AND error IS NULL`); n != 0 {
		t.Errorf("%d calls for registrations", n)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != 0 {
		t.Errorf("%d calls were paid for", n)
	}

	// As a person lifts it: what may have been sent is read before it goes out.
	b.sql(`WITH lifted AS (DELETE FROM holds RETURNING 1) SELECT count(*) FROM lifted`)
	sum := b.settled(registrations)[0]
	if sum.Outcomes[record.Registered] != 2 || sum.Counts[record.Unconfirmed] != 1 {
		t.Errorf("afterwards: %v %v, want 2 registered, and unconfirmed what WHOIS calls taken", sum.Counts, sum.Outcomes)
	}
	if n := b.sql(`SELECT count(*) FROM attempts WHERE state = 'cleared' AND resolved_by = 'readings'`); n != 2 {
		t.Errorf("%d attempts were cleared by readings", n)
	}
	b.invariants()
}
