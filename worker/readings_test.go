package worker_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// A job whose readings were complete could not be sent, because its worker stopped or a hold came in between, and is back sooner
// than a reading may follow the last one. It waits for one that counts. To ask at once, again and again, would bring none.
func TestReadingThatComesTooSoon(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	if _, err := b.sandbox.Inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectNone}); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.UpstreamTimeout, o.ReconcileEvery = time.Second, 2*time.Second
	b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 1))
	const counting = ` FROM readings r JOIN attempts a ON a.job_id = r.job_id JOIN calls paid ON paid.id = a.call_id WHERE r.read_at >= paid.deadline`
	b.eventually(func() bool { return b.sql(`SELECT count(*)`+counting) == 1 })
	b.sql(`
		WITH call AS (
			INSERT INTO calls (id, claim_id, op, size, deadline) SELECT gen_random_uuid(), claim_id, 'check', 1, now() FROM jobs RETURNING id
		), too_soon AS (
			INSERT INTO readings (job_id, call_id, availability, read_at)
			SELECT r.job_id, call.id, 'available', r.read_at + interval '1.9 seconds' FROM call, (SELECT r.*` + counting + `) AS r
		)
		SELECT 1`)
	sum := b.settled(order)[0]
	if sum.Outcomes[record.Registered] != 1 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpWhois); n > 6 {
		t.Errorf("WHOIS was asked %d times", n)
	}
	b.invariants()
}
