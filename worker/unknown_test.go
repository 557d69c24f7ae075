package worker_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Whatever a register call brings, no domain is paid for twice, and a domain that was paid for is known to be, or
// known to need a person.
func TestRegisterCallGoneWrong(t *testing.T) {
	t.Parallel()
	status := func(code int, effect sandbox.Effect) sandbox.Fault {
		return sandbox.Fault{Kind: sandbox.KindStatus, Status: code, Effect: effect, K: 20}
	}
	of := func(kind sandbox.Kind, effect sandbox.Effect) sandbox.Fault {
		return sandbox.Fault{Kind: kind, Effect: effect, K: 20, Items: 3}
	}
	for name, c := range map[string]struct {
		fault       sandbox.Fault
		unconfirmed int // the rest ends registered
	}{
		"500 without effect":         {status(500, sandbox.EffectNone), 0},
		"500 after all of it":        {status(500, sandbox.EffectAll), 50},
		"500 after 20 of 50":         {status(500, sandbox.EffectFirst), 20},
		"402 without effect":         {status(402, sandbox.EffectNone), 0},
		"402 after 20 of 50":         {status(402, sandbox.EffectFirst), 20},
		"422 after 20 of 50":         {status(422, sandbox.EffectFirst), 20},
		"400 without effect":         {status(400, sandbox.EffectNone), 0},
		"401":                        {status(401, sandbox.EffectNone), 0},
		"405":                        {status(405, sandbox.EffectNone), 0},
		"429":                        {status(429, sandbox.EffectNone), 0},
		"503":                        {status(503, sandbox.EffectNone), 0},
		"a redirect":                 {status(302, sandbox.EffectNone), 0},
		"line cut before the effect": {of(sandbox.KindCut, sandbox.EffectNone), 0},
		"line cut after the effect":  {of(sandbox.KindCut, sandbox.EffectAll), 50},
		"line cut half way":          {of(sandbox.KindReset, sandbox.EffectFirst), 20},
		"a web page":                 {of(sandbox.KindHTML, sandbox.EffectAll), 50},
		"truncated":                  {of(sandbox.KindTruncate, sandbox.EffectAll), 50},
		"half a body":                {of(sandbox.KindHalfJSON, sandbox.EffectAll), 50},
		"3 items missing":            {of(sandbox.KindMissing, sandbox.EffectAll), 3},
		"items doubled":              {of(sandbox.KindDoubled, sandbox.EffectAll), 0},
		"items nobody asked for":     {of(sandbox.KindExtra, sandbox.EffectAll), 0},
		"upper case":                 {of(sandbox.KindUpper, sandbox.EffectAll), 0},
		"no answer in time":          {of(sandbox.KindBlackHole, sandbox.EffectAll), 50},
		"an answer too late":         {sandbox.Fault{Kind: sandbox.KindSlow, Delay: 2 * time.Second}, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			c.fault.Op = sandbox.OpRegister
			fault, err := b.sandbox.Inject(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			o := b.options()
			o.UpstreamTimeout = time.Second
			b.work(o)
			order := b.submit(queue.Register, "r", names("shop", 50))
			sum := b.settled(order)[0]
			if fault.Fired() == 0 {
				t.Fatal("the fault did not happen")
			}
			b.invariants()
			if sum.Counts[record.Unconfirmed] != c.unconfirmed || sum.Outcomes[record.Registered] != 50-c.unconfirmed {
				t.Errorf("ended as %v %v, want %d unconfirmed and the rest registered", sum.Counts, sum.Outcomes, c.unconfirmed)
			}
			if resends := b.sandbox.Ledger().Resends(); len(resends) > 0 {
				t.Errorf("%d domains were sent again after they had been registered", len(resends))
			}
		})
	}
}

// Without WHOIS nothing is sent, and nothing is lost.
func TestWhoisGoneWrong(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"500":             {Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Count: 3},
		"503 with a time": {Kind: sandbox.KindStatus, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		"401":             {Kind: sandbox.KindStatus, Status: http.StatusUnauthorized},
		"402":             {Kind: sandbox.KindStatus, Status: http.StatusPaymentRequired},
		"cut":             {Kind: sandbox.KindCut, Count: 2},
		"a web page":      {Kind: sandbox.KindHTML},
		"truncated":       {Kind: sandbox.KindTruncate},
		"missing items":   {Kind: sandbox.KindMissing, Items: 7},
		"upper case":      {Kind: sandbox.KindUpper, Items: 50},
		"no answer":       {Kind: sandbox.KindBlackHole},
	} {
		fault.Op = sandbox.OpWhois
		for _, kind := range []queue.Kind{queue.Whois, queue.Register} {
			t.Run(fmt.Sprintf("%s, %s", name, kind), func(t *testing.T) {
				t.Parallel()
				b := setup(t, sandbox.Options{ChargeTwice: true})
				injected, err := b.sandbox.Inject(fault)
				if err != nil {
					t.Fatal(err)
				}
				o := b.options()
				o.UpstreamTimeout = time.Second
				b.work(o)
				sum := b.settled(b.submit(kind, "r", names("shop", 50)))[0]
				if injected.Fired() == 0 {
					t.Fatal("the fault did not happen")
				}
				if sum.Counts[record.Succeeded] != 50 {
					t.Errorf("ended as %v %v, want all succeeded", sum.Counts, sum.Outcomes)
				}
				b.invariants()
			})
		}
	}
}

// One bad domain fails alone, and the others of its batch go through.
func TestBadDomainsEndAlone(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"poison", "badreq", "refused", "whoispoison"} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			b.work(b.options())
			domains := append(names("shop", 47), names(label, 3)...)
			sum := b.settled(b.submit(queue.Register, "r", domains))[0]
			b.invariants()
			if sum.Outcomes[record.Registered] != 47 || sum.Outcomes[record.Rejected] != 3 {
				t.Errorf("ended as %v %v, want 47 registered and 3 rejected", sum.Counts, sum.Outcomes)
			}
		})
	}
}

// A worker dies between the intent and the settling. The domain is never sent again before WHOIS has spoken.
func TestIntentOfADeadWorker(t *testing.T) {
	t.Parallel()
	for name, paid := range map[string]bool{"before the first byte": false, "after the effect": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			order := b.submit(queue.Register, "r", []string{"shop.nl"})
			b.dieAfterIntent(order)
			if paid {
				b.sandbox.Take("shop.nl")
			}
			b.work(b.options())
			sum := b.settled(order)[0]
			b.invariants()
			want := record.Succeeded
			if paid {
				want = record.Unconfirmed
			}
			if sum.Counts[want] != 1 {
				t.Errorf("ended as %v, want %s", sum.Counts, want)
			}
			if !paid && b.sql(`SELECT count(*) FROM readings`) < 2 {
				t.Error("sent again without two WHOIS readings")
			}
		})
	}
}

// dieAfterIntent leaves an order's jobs as a worker does that was killed right after its intent.
func (b *bench) dieAfterIntent(order record.Order) {
	b.t.Helper()
	ctx := b.t.Context()
	deliveries, err := b.store.Delivery.TakeUndelivered(ctx, delivery.Lot{Kind: order.Kind, Lane: order.Lane, Account: "default"}, 10, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	claim := ledger.Claim{ID: newID(), Kind: order.Kind, Account: "default", Worker: "dead", Lease: time.Second}
	claimed, err := b.store.Ledger.Claim(ctx, claim, deliveries[0].Jobs)
	if err != nil || len(claimed) == 0 {
		b.t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	intent := ledger.Intent{Call: ledger.NewCall{ID: newID(), ClaimID: claim.ID, Op: record.OpRegister, Size: len(claimed), Timeout: time.Millisecond}}
	for _, j := range claimed {
		intent.Jobs = append(intent.Jobs, j.ID)
	}
	if sent, _, err := b.store.Ledger.Intend(ctx, intent); err != nil || len(sent) != len(claimed) {
		b.t.Fatalf("may send %d, %v", len(sent), err)
	}
}

// A call is refused after it has paid for some of its domains, and WHOIS does not know yet. The registrar then refuses what it
// has sold; that is no proof that it has not.
func TestRefusalOfADomainThatWasPaidFor(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{LagTime: 5 * time.Second})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Effect: sandbox.EffectFirst, K: 1})
	o := b.options()
	o.Register.BatchSize = 2
	o.ReconcileAfter = 8 * time.Second
	b.work(o)
	sum := b.settled(b.submit(queue.Register, "r", []string{"lag-a.nl", "lag-b.nl"}))[0]
	if sum.Counts[record.Unconfirmed] != 1 || sum.Outcomes[record.Registered] != 1 {
		t.Errorf("ended as %v %v, want the first unconfirmed and the other registered", sum.Counts, sum.Outcomes)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != 3 {
		t.Errorf("%d register calls: was the first domain not sent again?", n)
	}
	b.invariants()
}

// A registration that is never answered does not go on for ever: each time it was sent counts.
func TestRegistrationThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Count: sandbox.Always})
	o := b.options()
	o.MaxAttempts = 2
	b.work(o)
	sum := b.settled(b.submit(queue.Register, "r", names("shop", 20)))[0]
	if sum.Outcomes[record.Exhausted] != 20 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	if n := b.sql(`SELECT max(n) FROM (SELECT count(*) AS n FROM attempts GROUP BY job_id) AS sent`); n != 2 {
		t.Errorf("a domain was sent %d times, want 2", n)
	}
	b.invariants()
}
