package worker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestMixedOrdersEndAsTheyShould(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())

	checks := slices.Concat(names("free", 120), names("taken", 30))
	registrations := slices.Concat(names("shop", 110), names("taken", 12), names("refused", 8))
	whois := b.submit(queue.Whois, "checks", checks)
	register := b.submit(queue.Register, "registrations", registrations)
	b.settled(whois, register)

	b.want(whois, outcomes(checks, func(d string) record.Outcome {
		if labelled("taken")(d) {
			return record.Taken
		}
		return record.Available
	}))
	b.want(register, outcomes(registrations, func(d string) record.Outcome {
		switch {
		case labelled("taken")(d):
			return record.Taken
		case labelled("refused")(d):
			return record.Rejected
		default:
			return record.Registered
		}
	}))
	b.invariants()
	if paid := b.sandbox.Ledger().PaidDomains(); len(paid) != 110 {
		t.Errorf("%d domains were paid for, want 110", len(paid))
	}
}

func calls(l *sandbox.Ledger, op sandbox.Op) int { return l.Counts[op] }

func TestBatchesAreFull(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	// However slowly the chunks come out of Redis on a busy machine: the checks fill their batches exactly, and wait for
	// nothing in the end; the registrations have two calls to spare.
	o.Whois.Linger, o.Register.Linger = 20*time.Second, 3*time.Second
	// Chunks that do not fit the batches, from two orders each: they arrive out of step.
	whois := []record.Order{
		b.submitChunked(queue.Whois, "w1", names("a", 430), intake.Chunks{Whois: 70, Register: 1}),
		b.submitChunked(queue.Whois, "w2", names("b", 570), intake.Chunks{Whois: 30, Register: 1}),
	}
	b.work(o)
	b.settled(whois...)
	if n := calls(b.sandbox.Ledger(), sandbox.OpWhois); n > 12 {
		t.Errorf("1,000 WHOIS checks took %d calls, want at most 12", n)
	}
	register := []record.Order{
		b.submitChunked(queue.Register, "r1", names("c", 130), intake.Chunks{Whois: 1, Register: 37}),
		b.submitChunked(queue.Register, "r2", names("d", 140), intake.Chunks{Whois: 1, Register: 21}),
	}
	b.settled(register...)
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > 8 {
		t.Errorf("270 registrations took %d calls, want at most 8", n)
	}
	b.invariants()
}

func TestSameOrderAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	stop := b.work(b.options())
	order := b.submit(queue.Register, "r", names("shop", 60))
	b.settled(order)
	before := calls(b.sandbox.Ledger(), sandbox.OpRegister)
	again := b.submit(queue.Register, "r", names("shop", 60))
	if again.ID != order.ID {
		t.Errorf("the repeat became order %d, want %d", again.ID, order.ID)
	}
	other := b.submit(queue.Register, "other", names("shop", 61))
	b.settled(other)
	stop()
	if n := b.jobs(other); n["shop-0000.nl"].Outcome != record.Duplicate || n["shop-0060.nl"].Outcome != record.Registered {
		t.Errorf("second order: %s and %s, want duplicate and registered", n["shop-0000.nl"].Outcome, n["shop-0060.nl"].Outcome)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister) - before; n != 1 {
		t.Errorf("repeat and second order took %d register calls, want 1", n)
	}
	b.invariants()
}

func TestTwoWorkersShareTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Latency: sandbox.Latency{Whois: 5 * time.Millisecond, Register: 5 * time.Millisecond}})
	for _, name := range []string{"one", "two"} {
		o := b.options()
		o.Name = name
		b.work(o)
	}
	register := b.submit(queue.Register, "r", names("shop", 1000))
	whois := b.submit(queue.Whois, "w", names("free", 3000))
	sums := b.settled(register, whois)
	if sums[0].Counts[record.Succeeded] != 1000 || sums[1].Counts[record.Succeeded] != 3000 {
		t.Errorf("ended as %v and %v", sums[0].Counts, sums[1].Counts)
	}
	if n := b.sql(`SELECT count(DISTINCT worker) FROM claims`); n != 2 {
		t.Errorf("%d workers claimed jobs, want 2", n)
	}
	b.invariants()
}

func TestWorkerStoppedInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	gate := b.sandbox.Hold(sandbox.OpRegister, sandbox.BeforeReply)
	stop := b.work(b.options())
	order := b.submit(queue.Register, "r", names("shop", 400))
	<-gate.Held() // one call has been paid for, and its reply is on the way

	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	second := b.options()
	second.Name = "second"
	b.work(second)
	gate.Release()
	<-stopped
	sum := b.settled(order)[0]
	if sum.Counts[record.Succeeded] != 400 {
		t.Errorf("ended as %v, want 400 succeeded", sum.Counts)
	}
	// A batch whose intent was written as the worker was told to stop has attempts that were not sent. Nothing else may be there twice.
	if n := b.sql(`SELECT count(*) FROM attempts WHERE state <> 'not_sent'`); n != 400 {
		t.Errorf("%d attempts were sent, want 400: the call in flight was to be seen through", n)
	}
	if n := len(b.sandbox.Ledger().Received(sandbox.OpRegister)); n != 400 {
		t.Errorf("%d items were received, want 400", n)
	}
	b.invariants()
}

// A worker that died holds a claim. Its lease passes, and others take over.
func TestJobsOfADeadWorkerAreTakenOver(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	order := b.submit(queue.Whois, "w", names("free", 50))
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default"}, 10, time.Hour)
	if err != nil || len(deliveries) != 1 {
		t.Fatalf("%d deliveries, %v", len(deliveries), err)
	}
	dead := ledger.Claim{ID: newID(), Kind: record.Whois, Account: "default", Worker: "dead", Lease: 0}
	if claimed, err := b.store.Ledger.Claim(t.Context(), dead, deliveries[0].Jobs); err != nil || len(claimed) != 50 {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	b.work(b.options())
	b.settled(order)
	if n := b.sql(`SELECT count(*) FROM jobs WHERE state = 'succeeded' AND claim_id <> $1 AND attempts = 1`, dead.ID); n != 50 {
		t.Errorf("%d jobs succeeded under another claim, at the first attempt that was made, want 50", n)
	}
	b.invariants()
}

func TestSmallOrderDoesNotWaitBehindALargeOne(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Latency: sandbox.Latency{Whois: 50 * time.Millisecond}, LedgerCounts: true})
	b.work(b.options())
	large := b.submit(queue.Whois, "large", names("bulk", 20_000))
	b.until(func(s record.Summary) bool { return s.Counts[record.Succeeded] > 0 }, large)
	small := b.submit(queue.Whois, "small", []string{"just-this-one.nl"})
	b.settled(small)
	sum, err := b.store.Orders.Summarize(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Done() {
		t.Error("the large order was done before the small one")
	}
	if done := sum.Counts[record.Succeeded]; done > 15_000 {
		t.Errorf("%d jobs of the large order went before the small one", done)
	}
}

func TestProducersOwnChunksAreAdopted(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
	}()
	chunk := queue.Chunk{Order: "own", Source: "shop", Account: "default"}
	for _, d := range names("own", 40) {
		chunk.Jobs = append(chunk.Jobs, queue.Job{Domain: strings.ToUpper(d), HolderID: "H-1"})
	}
	chunk.Jobs = append(chunk.Jobs, queue.Job{Domain: "not a domain", HolderID: "H-1"}, queue.Job{Domain: "no-holder.nl"},
		queue.Job{Domain: "own-0001.nl", HolderID: "H-1"}, queue.Job{Domain: "period.nl", HolderID: "H-1", PeriodMonths: -1},
		queue.Job{Domain: "ns.nl", HolderID: "H-1", Nameservers: []string{"not a host"}})
	for range 3 { // a producer that lost the reply sends it again
		if err := producer.Enqueue(t.Context(), queue.Register, queue.Plain, chunk); err != nil {
			t.Fatal(err)
		}
	}
	var order record.Order
	b.eventually(func() bool {
		order, err = b.store.Orders.Find(t.Context(), "shop", "own")
		return err == nil
	})
	sum := b.settled(order)[0]
	if sum.Total != 44 || sum.Counts[record.Succeeded] != 40 || sum.Outcomes[record.Rejected] != 4 {
		t.Errorf("total %d, %v; want 40 registered, and 4 rejected that break a rule", sum.Total, sum.Counts)
	}
	stranger := queue.Chunk{Order: "stranger", Source: "shop", Account: "nobody", Jobs: []queue.Job{{Domain: "example.nl", HolderID: "H-1"}}}
	if err := producer.Enqueue(t.Context(), queue.Register, queue.Plain, stranger); err != nil {
		t.Fatal(err)
	}
	b.eventually(func() bool {
		order, err = b.store.Orders.Find(t.Context(), "shop", "stranger")
		return err == nil
	})
	if sum := b.settled(order)[0]; sum.Outcomes[record.Rejected] != 1 {
		t.Errorf("a chunk for an unknown account ended as %v", sum.Outcomes)
	}
	b.invariants()
}

func TestTwoOrdersForOneDomainPayOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var orders []record.Order
	for _, ref := range []string{"a", "b", "c"} {
		orders = append(orders, b.submit(queue.Register, ref, names("wanted", 80)))
	}
	b.work(b.options())
	b.settled(orders...)
	b.invariants()
	if n := b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`); n != 80 {
		t.Errorf("%d registered, want 80", n)
	}
	if n := b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'duplicate'`); n != 160 {
		t.Errorf("%d duplicates, want 160", n)
	}
}
