package worker_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Every item of a mixed batch fails alike: it is not the items.
func TestBatchThatFailsAlikeIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.HoldInterval = time.Hour
	o.Register.BatchSize, o.Register.Linger = 15, 20*time.Second // one batch, also on a slow machine
	var orders []record.Order
	for i := range 3 {
		orders = append(orders, b.submitWith("default", fmt.Sprint("H-", i), queue.Register, fmt.Sprint("r", i), names(fmt.Sprint("refused-", i), 5)))
	}
	b.work(o)
	b.eventually(func() bool { return len(b.holds()) == 1 })
	if h := b.holds()[0]; h.Reason != holds.Contract || h.Scope != holds.ScopeRegister {
		t.Errorf("hold for %s on %s", h.Reason, h.Scope)
	}
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE state = 'held'`) == 15 })
	for _, order := range orders {
		if sum, err := b.store.Orders.Summarize(t.Context(), order); err != nil || sum.Counts[record.Failed] > 0 {
			t.Errorf("%v, %v", sum.Counts, err)
		}
	}
}

// Every call is refused as a whole, down to each single item, whether it is for the check or for the registration: it is not
// the items. None of them ends for it, neither in the bisection nor as the hold's probe, and all go on afterwards.
func TestEveryItemRefusedAloneIsHeld(t *testing.T) {
	t.Parallel()
	for op, scope := range map[sandbox.Op]holds.Scope{sandbox.OpWhois: holds.ScopeAll, sandbox.OpRegister: holds.ScopeRegister} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			fault, err := b.sandbox.Inject(sandbox.Fault{Op: op, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Count: sandbox.Always})
			if err != nil {
				t.Fatal(err)
			}
			o := b.options()
			o.Register.BatchSize, o.Register.Linger = 15, 5*time.Second // one batch, also on a slow machine
			var orders []record.Order
			for i := range 3 {
				orders = append(orders, b.submitWith("default", fmt.Sprint("H-", i), queue.Register, fmt.Sprint("r", i), names(fmt.Sprint("shop", i), 5)))
			}
			b.work(o)
			var h holds.View
			b.eventually(func() bool {
				holds := b.holds()
				if len(holds) == 1 {
					h = holds[0]
				}
				return h.Probes >= 3
			})
			if h.Reason != holds.Contract || h.Scope != scope || h.Status != http.StatusUnprocessableEntity {
				t.Errorf("hold for %s on %s after status %d", h.Reason, h.Scope, h.Status)
			}
			if n := b.sql(`SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL OR state = 'unconfirmed'`); n > 0 {
				t.Errorf("%d jobs ended for what is not their fault", n)
			}
			if n := b.sql(`SELECT max(attempts) FROM jobs`); n > 1 {
				t.Errorf("a job used up %d attempts", n)
			}
			fault.Remove()
			for _, sum := range b.settled(orders...) {
				if sum.Outcomes[record.Registered] != 5 {
					t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
				}
			}
			b.invariants()
		})
	}
}

// As many items are refused alone, in the same words, but one of their batch is not: then it is them.
func TestManyItemsRefusedAloneAreBad(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"poison", "whoispoison"} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			o := b.options()
			o.Register.BatchSize, o.Register.Linger = 16, 5*time.Second // one batch, also on a slow machine
			var orders []record.Order
			for i := range 3 {
				orders = append(orders, b.submitWith("default", fmt.Sprint("H-", i), queue.Register, fmt.Sprint("r", i), names(fmt.Sprint(label, "-", i), 5)))
			}
			good := b.submit(queue.Register, "good", []string{"shop.nl"})
			b.work(o)
			for _, sum := range b.settled(orders...) {
				if sum.Outcomes[record.Rejected] != 5 {
					t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
				}
			}
			if sum := b.settled(good)[0]; sum.Outcomes[record.Registered] != 1 {
				t.Errorf("the good one ended as %v %v", sum.Counts, sum.Outcomes)
			}
			if h := b.holds(); len(h) > 0 {
				t.Errorf("holds %+v, want none", h)
			}
			b.invariants()
		})
	}
}

// A batch limit that nobody documented is found once and kept.
func TestBatchLimitIsLearned(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{MaxBatch: 30})
	o := b.options()
	o.Kinds = []queue.Kind{queue.Whois}
	b.work(o)
	b.settled(b.submit(queue.Whois, "first", names("a", 200))) // two batches, both too large
	before := b.sandbox.Ledger()
	sum := b.settled(b.submit(queue.Whois, "second", names("b", 1000)))[0]
	if sum.Outcomes[record.Available] != 1000 {
		t.Errorf("ended as %v", sum.Outcomes)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpWhois) - calls(before, sandbox.OpWhois); n > 1000/25+4 {
		t.Errorf("the second order took %d calls although the limit was known", n)
	}
	b.invariants()
}

// Three bad items in a batch of fifty are found in a bounded number of calls.
func TestBisectionIsCheap(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	domains := names("shop", 50)
	for i, at := range []int{3, 24, 49} {
		domains[at] = fmt.Sprintf("poison-%d.nl", i)
	}
	sum := b.settled(b.submit(queue.Register, "r", domains))[0]
	if sum.Outcomes[record.Registered] != 47 || sum.Outcomes[record.Rejected] != 3 {
		t.Errorf("ended as %v", sum.Outcomes)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > 36 {
		t.Errorf("%d register calls, want at most 36", n)
	}
	b.invariants()
}

// One call that is refused as a whole for no reason proves no limit: batches stay as large as they are.
func TestBatchLimitIsNotLearnedFromAWhim(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.Kinds = []queue.Kind{queue.Whois}
	o.Whois.Linger = 2 * time.Second
	b.work(o)
	for i := range 3 {
		b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: http.StatusBadRequest})
		b.settled(b.submit(queue.Whois, fmt.Sprint("whim ", i), names(fmt.Sprint("a", i), 100)))
		before := b.sandbox.Ledger()
		b.settled(b.submit(queue.Whois, fmt.Sprint("after ", i), names(fmt.Sprint("b", i), 1000)))
		if n := calls(b.sandbox.Ledger(), sandbox.OpWhois) - calls(before, sandbox.OpWhois); n != 10 {
			t.Errorf("1,000 checks after whim %d took %d calls, want 10", i+1, n)
		}
	}
}
