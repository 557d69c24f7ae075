package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/record"
)

// checkAll carries out whatever WHOIS checks wait, in one claim and one call.
func (b *bench) checkAll() { b.checks(b.fresh(record.Whois)) }

// checks carries out these, in one claim and one call.
func (b *bench) checks(jobs []record.DeliveredJob) {
	b.t.Helper()
	h := b.claim(newClaim(record.Whois), jobs)
	b.start(h, record.OpWhois)
	transitions := make([]ledger.Transition, len(h.jobs))
	for i, j := range h.jobs {
		transitions[i] = ledger.Succeed(j.ID, record.Available)
	}
	b.settle(h, transitions...)
}

// age sets orders, and what is known of how they ended, back by so many days.
func (b *bench) age(days int, references ...string) {
	b.t.Helper()
	b.keep()
	b.exec(`UPDATE order_counts SET last_at = last_at - make_interval(days => $1) WHERE order_id IN (SELECT id FROM orders WHERE reference = ANY($2))`, days, references)
	b.exec(`UPDATE orders SET created_at = created_at - make_interval(days => $1) WHERE reference = ANY($2)`, days, references)
}

// prune removes what is older than 90 days, in steps, and returns what became of it.
func (b *bench) prune(kind record.Kind, step int) (total pruning.Removed) {
	b.t.Helper()
	if _, err := b.store.Pruning.Begin(b.t.Context(), pruning.Age{Kind: kind, OlderThan: 90 * day}, 100); err != nil {
		b.t.Fatal(err)
	}
	for {
		r, err := b.store.Pruning.Remove(b.t.Context(), step)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Jobs > step {
			b.t.Errorf("%d jobs in a step of %d", r.Jobs, step)
		}
		total.Jobs, total.Orders = total.Jobs+r.Jobs, total.Orders+r.Orders
		if !r.More {
			return total
		}
	}
}

func (b *bench) counted(table string) int {
	return get[int](b, `SELECT count(*) FROM `+table)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.submit(newOrder(record.Whois, "old"), names("old", 25)...).Order
	b.checkAll()
	b.submit(newOrder(record.Whois, "first"), names("first", 3)...)
	b.submit(newOrder(record.Whois, "second"), names("second", 3)...)
	b.checkAll() // in one call for both
	b.submit(newOrder(record.Whois, "young"), names("young", 2)...)
	b.checkAll()
	b.submit(newOrder(record.Whois, "half"), "half.nl")
	bought := b.running(record.Register, "bought.nl")
	call := b.intend(bought)
	b.settlePaid(bought, call, map[string]ledger.PaidTransition{"bought.nl": {Transition: ledger.Succeed(bought.jobs[0].ID, record.Registered), Attempt: record.AttemptRegistered}})
	b.age(100, "old", "first", "half", "of bought.nl")
	before := b.summary(old)
	want := pruning.Plan{Orders: 2, Jobs: 28, Oldest: old.CreatedAt.AddDate(0, 0, -100)}
	got, err := b.store.Pruning.Plan(t.Context(), pruning.Age{Kind: record.Whois, OlderThan: 90 * day})
	if err != nil || got.Orders != want.Orders || got.Jobs != want.Jobs || !got.Oldest.Before(time.Now().Add(-99*day)) {
		t.Errorf("the plan is %+v, %v; want %+v", got, err, want)
	}
	if n := b.counted("jobs"); n != 35 {
		t.Errorf("after the plan there are %d jobs", n)
	}
	if r := b.prune(record.Whois, 7); r != (pruning.Removed{Jobs: 28, Orders: 2}) {
		t.Errorf("removed %+v", r)
	}
	if jobs, calls, left := b.counted("jobs"), b.counted("calls"), b.counted("prunings"); jobs != 7 || calls != 3 || left != 0 {
		t.Errorf("%d jobs, %d calls and %d orders to prune are left", jobs, calls, left) // one call was for an order that is kept
	}
	b.sound("pruned")
	found, err := b.store.Orders.Find(t.Context(), "test", "old")
	if err != nil {
		t.Fatal(err)
	}
	var pruned *record.PrunedError
	if err := found.Kept(); !errors.As(err, &pruned) || pruned.Name != "old" {
		t.Errorf("the order says of its jobs: %v", err)
	}
	after := b.summary(found)
	before.PrunedAt = after.PrunedAt
	before.CreatedAt = after.CreatedAt
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what the order came to has changed (-before +after):\n%s", diff)
	}
	b.exec(`SELECT recount_orders()`)
	if diff := cmp.Diff(after, b.summary(found)); diff != "" {
		t.Errorf("counting anew has changed it (-before +after):\n%s", diff)
	}
	if again := b.submit(newOrder(record.Whois, "old"), names("old", 25)...); again.Order.ID != old.ID || again.Created {
		t.Errorf("a repeat is %+v", again)
	}
	b.age(100, "second")
	b.prune(record.Whois, 100)
	if jobs, calls := b.counted("jobs"), b.counted("calls"); jobs != 4 || calls != 2 {
		t.Errorf("%d jobs and %d calls are left when the other order of the call is gone too", jobs, calls)
	}
	b.sound("all pruned")
}

// Registrations are what was paid for: none of them ever goes.
func TestPruneKeepsRegistrations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	age := pruning.Age{Kind: record.Register, OlderThan: time.Hour}
	if _, err := b.store.Pruning.Plan(t.Context(), age); !errors.Is(err, pruning.ErrKind) {
		t.Errorf("planned: %v", err)
	}
	if _, err := b.store.Pruning.Begin(t.Context(), age, 1); !errors.Is(err, pruning.ErrKind) {
		t.Errorf("begun: %v", err)
	}
	h := b.running(record.Register, "a.nl")
	b.bring(h, "failed taken")
	if _, err := b.db.Exec(t.Context(), `UPDATE orders SET pruned_at = now()`); err == nil {
		t.Error("Postgres lets an order of registrations be pruned")
	}
}

// A job that somebody has had done once more, just as its order began to go, is done, and goes then.
func TestPruneLeavesWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), names("a", 10)...)
	h := b.claim(newClaim(record.Whois), b.fresh(record.Whois))
	b.start(h, record.OpWhois)
	transitions := make([]ledger.Transition, len(h.jobs))
	for i, j := range h.jobs {
		transitions[i] = ledger.Fail(j.ID, record.Rejected, "no")
	}
	b.settle(h, transitions...)
	b.age(100, "r")
	if n, err := b.store.Pruning.Begin(t.Context(), pruning.Age{Kind: record.Whois, OlderThan: 90 * day}, 10); err != nil || n != 1 {
		t.Fatalf("%d orders, %v", n, err)
	}
	b.wantReport(b.carryOut(request(operator.Retry, h.jobs[4].ID)), 1, nil)
	if r := b.prune(record.Whois, 100); r.Jobs != 9 || r.Orders != 0 {
		t.Errorf("removed %+v", r)
	}
	again := b.again(record.Whois, 1)
	b.start(again, record.OpWhois)
	b.settle(again, ledger.Succeed(again.jobs[0].ID, record.Taken))
	if r := b.prune(record.Whois, 100); r.Jobs != 0 {
		t.Errorf("removed %+v before its time", r)
	}
	b.exec(`UPDATE prunings SET next_at = now()`)
	if r := b.prune(record.Whois, 100); r != (pruning.Removed{Jobs: 1, Orders: 1}) {
		t.Errorf("removed %+v at last", r)
	}
	sum := b.summary(record.Order{ID: h.jobs[0].OrderID, Total: 10})
	if sum.Outcomes[record.Rejected] != 9 || sum.Outcomes[record.Taken] != 1 {
		t.Errorf("it came to %v", sum.Outcomes)
	}
	b.sound("pruned")
}

// An order that grows with a producer's chunks grows no more: a repeat of them would be carried out once more.
func TestPrunedOrdersDoNotGrow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "grown")
	n.Digest = [32]byte{}
	jobs := newJobs(names("a", 3)...)
	for i := range jobs {
		jobs[i].ID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i))
	}
	b.adopt(n, jobs)
	b.checks(asDelivered(jobs))
	b.age(100, "grown")
	b.prune(record.Whois, 100)
	var conflict *record.ReferenceConflictError
	if _, err := b.store.Orders.AdoptJobs(t.Context(), n, jobs); !errors.As(err, &conflict) {
		t.Errorf("a repeat of a chunk: %v", err)
	}
	if left := b.counted("jobs"); left != 0 {
		t.Errorf("there are %d jobs", left)
	}
}
