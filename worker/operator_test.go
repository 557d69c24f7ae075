package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// act is what an operator does to an order.
func (b *bench) act(act operator.Act, orders ...record.Order) operator.Report {
	b.t.Helper()
	report, err := b.store.Operator.CarryOut(b.t.Context(), operator.Request{Act: act, Operator: "ann", Reason: "asked the registrar", Orders: orders})
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// impatient is a worker that gives an unanswered call up soon.
func (b *bench) impatient() worker.Options {
	o := b.options()
	o.UpstreamTimeout = time.Second
	return o
}

func (b *bench) wantCounts(o record.Order, sum record.Summary, counts map[record.State]int) {
	b.t.Helper()
	for _, s := range record.States() {
		if sum.Counts[s] != counts[s] {
			b.t.Errorf("order %s ended as %v %v, want %v", o.Reference, sum.Counts, sum.Outcomes, counts)
			return
		}
	}
}

// The reply to a call that was paid for gets lost; the operator finds the domains on the invoice.
func TestOperatorConfirmsWhatWasRegistered(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectAll})
	b.work(b.impatient())
	order := b.submit(queue.Register, "r", names("shop", 20))
	b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Unconfirmed: 20})
	if report := b.act(operator.ConfirmRegistered, order); report.Changed() != 20 {
		t.Errorf("changed %+v", report)
	}
	sum, err := b.store.Orders.Summarize(t.Context(), order)
	if err != nil || !sum.Done() || sum.Outcomes[record.Registered] != 20 {
		t.Errorf("ended as %v %v, %v", sum.Counts, sum.Outcomes, err)
	}
	b.invariants()
	// The domains are ours now: another order for them ends at once.
	other := b.submit(queue.Register, "other", names("shop", 20))
	if sum := b.settled(other)[0]; sum.Outcomes[record.Duplicate] != 20 {
		t.Errorf("the other order ended as %v", sum.Outcomes)
	}
}

// A call gets lost on its way, and somebody else takes some of its domains before WHOIS is asked. The operator finds none
// of them on the invoice: those that are somebody else's are never sent again, and the others are registered.
func TestOperatorConfirmsWhatWasNotRegistered(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	gate := b.sandbox.Hold(sandbox.OpRegister, sandbox.BeforeEffect)
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectNone})
	b.work(b.impatient())
	lost, free := names("lost", 5), names("free", 3)
	order := b.submit(queue.Register, "r", append(lost, free...))
	<-gate.Held()
	b.sandbox.Take(lost...)
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindTaken, Items: 8}) // of all, for once
	gate.Release()
	b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Unconfirmed: 8})
	b.invariants()

	if report := b.act(operator.ConfirmNotRegistered, order); report.Changed() != 8 {
		t.Errorf("changed %+v", report)
	}
	sum := b.settled(order)[0]
	if sum.Outcomes[record.Taken] != 5 || sum.Outcomes[record.Registered] != 3 {
		t.Errorf("ended as %v %v, want 5 taken and 3 registered", sum.Counts, sum.Outcomes)
	}
	received := b.sandbox.Ledger().Received(sandbox.OpRegister)
	for _, r := range received {
		if labelled("lost")(r.Domain) && r.Call != received[0].Call {
			t.Errorf("%s was sent again", r.Domain)
		}
	}
	b.invariants()
}

// A job that the upstream refused goes again when the operator has seen to the reason, whether it was refused alone in a
// good reply or with its whole call.
func TestOperatorRetriesWhatWasRejected(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Message: "no such holder"})
	b.work(b.options())
	once := b.submit(queue.Register, "once", []string{"shop.nl"})
	b.settled(once)
	b.want(once, map[string]record.Outcome{"shop.nl": record.Rejected})
	always := b.submit(queue.Register, "always", []string{"refused-for-ever.nl"})
	b.settled(always)
	if report := b.act(operator.Retry, once, always); report.Changed() != 2 {
		t.Errorf("changed %+v", report)
	}
	b.settled(once, always)
	b.want(once, map[string]record.Outcome{"shop.nl": record.Registered})
	b.want(always, map[string]record.Outcome{"refused-for-ever.nl": record.Rejected})
	if n := b.sql(`SELECT count(*) FROM attempts WHERE domain = 'refused-for-ever.nl'`); n != 2 {
		t.Errorf("%d attempts of the job that is always refused, want 2: it was to be sent again", n)
	}
	b.invariants()
}

// While calls hang at the registrar, the rest of their order is canceled. What is under way goes on, and everything else
// never reaches the upstream.
func TestOperatorCancelsDuringACall(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	gate := b.sandbox.Hold(sandbox.OpRegister, sandbox.BeforeEffect)
	o := b.options()
	o.Register.Concurrency = 1
	o.UpstreamTimeout = 30 * time.Second
	b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 600))
	<-gate.Held()
	report := b.act(operator.Cancel, order)
	if report.Changed() != 600 || report.Later() < 50 || report.Later() > 550 {
		t.Errorf("canceled %d, %d of them later, left %v of 600", report.Changed(), report.Later(), report.Skipped())
	}
	gate.Release()
	// The call that hung is seen through. What was claimed and not sent is never sent.
	b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Canceled: 550, record.Succeeded: 50})
	if paid := len(b.sandbox.Ledger().PaidDomains()); paid != 50 {
		t.Errorf("%d domains were paid for, want 50", paid)
	}
	b.invariants()
	const running = 50

	if report := b.act(operator.Retry, order); report.Changed() != 600-running {
		t.Errorf("changed %+v", report)
	}
	b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Succeeded: 600})
	b.invariants()
}

// An operator who is wrong is put right by the reply: it comes late, brings a success, and wins.
func TestLateReplyPutsTheOperatorRight(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	order := b.submit(queue.Register, "r", []string{"shop.nl"})
	b.dieAfterIntent(order)
	b.sandbox.Take("shop.nl")
	stop := b.work(b.options())
	b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Unconfirmed: 1})
	stop()
	job := b.jobs(order)["shop.nl"]
	b.act(operator.ConfirmNotRegistered, order)

	_, calls, err := b.store.Orders.FindJob(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	var paid orders.Call
	for _, c := range calls {
		if c.Op == record.OpRegister {
			paid = c
		}
	}
	if paid.Attempt != record.AttemptDisowned {
		t.Errorf("the attempt is %q", paid.Attempt)
	}
	_, err = b.store.Ledger.SettlePaid(t.Context(), newID(), ledger.CallResult{ID: paid.ID, Status: http.StatusOK}, []ledger.PaidTransition{
		{Transition: ledger.Succeed(job.ID, record.Registered), Attempt: record.AttemptRegistered},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.want(order, map[string]record.Outcome{"shop.nl": record.Registered})
	b.work(b.options())
	b.settled(order)
	if n := len(b.sandbox.Ledger().Received(sandbox.OpRegister)); n > 0 {
		t.Errorf("it was sent again %d times", n)
	}
	b.invariants()
}

// An order is canceled whose call was refused or lost. Nothing of it is sent again; each job ends when WHOIS has shown whether
// that call had an effect, also while the account is on hold.
func TestOperatorCancelsWhatWasSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault sandbox.Fault
		paid  int
	}{
		"402 without effect":     {sandbox.Fault{Kind: sandbox.KindStatus, Status: http.StatusPaymentRequired, Count: 1000}, 0},
		"402 after 5 of 20":      {sandbox.Fault{Kind: sandbox.KindStatus, Status: http.StatusPaymentRequired, Effect: sandbox.EffectFirst, K: 5, Count: 1000}, 5},
		"lost before the effect": {sandbox.Fault{Kind: sandbox.KindCut, Count: 1000}, 0},
		"lost after the effect":  {sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectAll, Count: 1000}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			c.fault.Op = sandbox.OpRegister
			b.inject(c.fault)
			o := b.impatient()
			o.HoldInterval = time.Hour
			o.ReconcileAfter = time.Second
			b.work(o)
			order := b.submit(queue.Register, "r", names("shop", 20))
			b.eventually(func() bool { return b.sql(`SELECT count(*) FROM attempts WHERE state <> 'open'`) == 20 })
			if report := b.act(operator.Cancel, order); report.Changed() != 20 || report.Later() != 20 {
				t.Errorf("canceled %+v", report)
			}
			sum := b.settled(order)[0]
			b.wantCounts(order, sum, map[record.State]int{record.Canceled: 20 - c.paid, record.Unconfirmed: c.paid})
			if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != 1 {
				t.Errorf("%d register calls, want 1", n)
			}
			if n := b.sql(`SELECT count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.state = 'canceled' AND a.state IN ('open', 'unknown')`); n != 0 {
				t.Errorf("%d attempts of canceled jobs still bar their domains", n)
			}
			if n := b.sql(`SELECT count(DISTINCT job_id) FROM readings r JOIN attempts a USING (job_id) WHERE r.read_at < a.opened_at`); n != 20 {
				t.Errorf("it is on record for %d jobs what WHOIS said before the call, want 20", n)
			}
			if n := b.sql(`SELECT count(DISTINCT job_id) FROM readings r JOIN attempts a USING (job_id) WHERE r.read_at > a.opened_at`); n != 20 {
				t.Errorf("it is on record for %d jobs what WHOIS said after the call, want 20", n)
			}
			for _, j := range b.jobs(order) {
				if j.State == record.Canceled && (j.Canceling || j.LastError != "canceled by ann: asked the registrar") {
					t.Fatalf("%s ended as %+v", j.Domain, j)
				}
			}
			b.invariants()
			// The registrar says that it was somebody else who took them. They stay canceled.
			if report := b.act(operator.ConfirmNotRegistered, order); report.Changed() != c.paid {
				t.Errorf("confirmed %+v", report)
			}
			b.wantCounts(order, b.settled(order)[0], map[record.State]int{record.Canceled: 20})
			if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != 1 {
				t.Errorf("%d register calls, want 1", n)
			}
		})
	}
}
