package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// An account registers as many domains a day as it may, however many workers there are and whatever goes wrong, and not one more. The
// rest is held, for everybody to see, and goes on when an operator says so or the limit is raised.
func TestDailyLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	const limit, total = 37, 100
	begun := time.Now().UTC().Day()
	var stops []func()
	for i := range 2 {
		o := b.options()
		o.Name, o.DailyLimit = fmt.Sprint("worker ", i), limit
		stops = append(stops, b.work(o))
	}
	for _, f := range []sandbox.Fault{
		{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 500, Count: 2},
		{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectAll, Count: 1},
		{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Count: 1},
	} {
		if _, err := b.sandbox.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	orders := []record.Order{
		b.submit(queue.Register, "one", names("a", total/2)), b.submit(queue.Register, "two", append(names("b", total/2-2), "refused-1.nl", "refused-2.nl")),
	}
	paid := func() int { return len(b.sandbox.Ledger().PaidDomains()) }
	reaches := func(n int) {
		t.Helper()
		b.eventually(func() bool {
			if paid() > n {
				t.Fatalf("%d domains were paid for, and %d may be", paid(), n)
			}
			counted := b.sql(`SELECT count(*) FROM attempts WHERE state IN ('open', 'unknown', 'registered')`) // some of them without effect
			return counted == n && len(b.holds()) == 1 && b.holds()[0].Reason == holds.DailyLimit && b.sql(`SELECT count(*) FROM jobs WHERE state IN ('running', 'retrying')`) == 0
		})
	}
	reaches(limit)
	if h := b.holds()[0]; h.Jobs == 0 || h.Scope != holds.ScopeRegister || h.Words != "37 registrations of this day (UTC) are sent, as many as REGISTER_DAILY_LIMIT allows" {
		t.Errorf("the hold says %+v", h)
	}
	b.settled(b.submit(queue.Whois, "w", names("free", 200))) // WHOIS goes on
	if _, err := b.store.Holds.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	reaches(2 * limit)
	for _, stop := range stops {
		stop()
	}
	o := b.options()
	o.DailyLimit = 10 * limit
	b.work(o)
	b.settled(orders...)
	if n := paid(); n != total-2 || len(b.holds()) > 0 {
		t.Errorf("%d domains were paid for, want %d; holds %+v", n, total-2, b.holds())
	}
	if time.Now().UTC().Day() != begun {
		t.Skip("the day has changed meanwhile")
	}
	b.invariants()
}

// Domains that spoil their batch are found under a limit that is smaller than the batch, and those beside them are registered: what the
// limit keeps back keeps back nothing that was counted already.
func TestDailyLimitBelowABadBatch(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	const limit = 6
	o := b.options()
	o.DailyLimit = limit
	b.work(o)
	b.submit(queue.Register, "one", append(names("poison", 10), names("z", 30)...))
	b.eventually(func() bool {
		return len(b.sandbox.Ledger().PaidDomains()) == limit && len(b.holds()) == 1 && b.sql(`SELECT count(*) FROM jobs WHERE state <> 'held'`) ==
			limit+b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'rejected'`)
	})
	if b.sql(`SELECT count(*) FROM attempts WHERE state = 'refused'`) == 0 || b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'rejected'`) == 0 {
		t.Error("no batch was refused, so nothing is shown")
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > 60 {
		t.Errorf("%d calls for %d domains", n, limit)
	}
}
