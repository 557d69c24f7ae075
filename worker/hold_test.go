package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func (b *bench) holds() []holds.View {
	b.t.Helper()
	holds, err := b.store.Holds.List(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return holds
}

func poor(balance int) sandbox.Options {
	return sandbox.Options{ChargeTwice: true, Accounts: map[string]sandbox.Account{
		sandbox.DefaultClientID: {Secret: sandbox.DefaultClientSecret, Balance: balance, DirectDebit: true},
	}}
}

// The money runs out. The fleet asks once per interval, uses nothing up, and goes on when there is money again.
func TestPaymentHold(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(0))
	for i := range 2 {
		o := b.options()
		o.Name = fmt.Sprint("worker ", i)
		o.HoldInterval = 2 * time.Second
		b.work(o)
	}
	order := b.submit(queue.Register, "r", names("shop", 1000))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	begun := time.Now()
	h := b.holds()[0]
	if h.Reason != holds.Payment || h.Scope != holds.ScopeRegister || h.Status != http.StatusPaymentRequired || h.Words == "" {
		t.Errorf("hold %+v", h)
	}
	// WHOIS goes on meanwhile.
	b.settled(b.submit(queue.Whois, "w", names("free", 200)))
	b.eventually(func() bool { return b.holds()[0].Probes >= 2 })
	if h := b.holds()[0]; h.Jobs < 900 || len(h.Orders) != 1 || h.Orders[0] != "r" {
		t.Errorf("hold says that %d jobs of %v wait, want nearly 1,000 of r", h.Jobs, h.Orders)
	}
	b.eventually(func() bool { return time.Since(begun) > 10*time.Second })
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > 8 {
		t.Errorf("%d register calls in the first 10 s, want at most 8", n)
	}
	if err := b.sandbox.SetBalance(sandbox.DefaultClientID, sandbox.Unlimited); err != nil {
		t.Fatal(err)
	}
	returned := time.Now()
	sum := b.settled(order)[0]
	if took := time.Since(returned); took > 30*time.Second { // also on a busy machine
		t.Errorf("the jobs took %v from the money's return", took)
	}
	if sum.Outcomes[record.Registered] != 1000 {
		t.Errorf("ended as %v", sum.Outcomes)
	}
	if n := b.sql(`SELECT max(attempts) FROM jobs`); n > 1 {
		t.Errorf("a job used up %d attempts", n)
	}
	b.invariants()
}

// A probe's job may end without a paid call, because its domain was taken meanwhile. That says nothing about the money.
func TestProbeThatPaysForNothingProvesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(0))
	o := b.options()
	b.work(o)
	domains := names("shop", 8)
	order := b.submit(queue.Register, "r", domains)
	b.eventually(func() bool { return len(b.holds()) == 1 && b.holds()[0].Jobs == 8 })
	since := b.holds()[0].Since
	before := calls(b.sandbox.Ledger(), sandbox.OpRegister)
	b.sandbox.Take(domains...)
	b.settled(order)
	if h := b.holds(); len(h) != 1 || !h[0].Since.Equal(since) {
		t.Errorf("holds %+v, want the one since %v", h, since)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > before+2 {
		t.Errorf("%d register calls for taken domains", n-before)
	}
	b.invariants()
}

// A hold that no job waits for, because the account has no registrations, must not keep another one from being probed.
func TestHoldWithoutJobsLeavesOthersTheirProbe(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	_, err := b.store.Holds.Hold(t.Context(), holds.NewHold{
		Account: "default", Reason: holds.Payment, Scope: holds.ScopeRegister, Words: "no money", ProbeEvery: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: http.StatusMethodNotAllowed})
	b.work(b.options())
	if sum := b.settled(b.submit(queue.Whois, "w", names("free", 20)))[0]; sum.Counts[record.Succeeded] != 20 {
		t.Errorf("ended as %v", sum.Counts)
	}
	if h := b.holds(); len(h) != 1 || h[0].Reason != holds.Payment {
		t.Errorf("holds %+v, want the one for the money", h)
	}
}

// There is money for some. They are registered, and the hold comes back for the rest.
func TestPaymentHoldWithSomeMoney(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(50))
	o := b.options()
	o.Register.Linger = time.Second // the first batch is full, also on a slow machine
	b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 120))
	b.eventually(func() bool {
		return len(b.holds()) == 1 && b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`) == 50
	})
	if err := b.sandbox.SetBalance(sandbox.DefaultClientID, 1); err != nil {
		t.Fatal(err)
	}
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`) == 51 })
	if err := b.sandbox.SetBalance(sandbox.DefaultClientID, 200); err != nil {
		t.Fatal(err)
	}
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 120 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.invariants()
}

// A hold outlives the workers and the Redis.
func TestHoldIsInPostgres(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(0))
	o := b.options()
	o.HoldInterval = time.Hour
	stop := b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 150))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	stop()
	b.flushRedis()
	before := calls(b.sandbox.Ledger(), sandbox.OpRegister)
	b.work(o)
	b.settled(b.submit(queue.Whois, "w", names("free", 10)))
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != before {
		t.Errorf("%d register calls after restart and flush", n-before)
	}
	if err := b.sandbox.SetBalance(sandbox.DefaultClientID, sandbox.Unlimited); err != nil {
		t.Fatal(err)
	}
	if ended, err := b.store.Holds.Resume(t.Context(), "default"); err != nil || len(ended) != 1 {
		t.Fatalf("resumed %d, %v", len(ended), err)
	}
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 150 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.invariants()
}

func TestHoldsForOtherReasons(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  sandbox.Fault
		reason holds.Reason
		scope  holds.Scope
	}{
		"credentials refused":        {sandbox.Fault{Op: sandbox.OpAuthenticate, Status: 401}, holds.Auth, holds.ScopeAll},
		"fresh tokens refused":       {sandbox.Fault{Op: sandbox.OpWhois, Status: 401}, holds.Auth, holds.ScopeAll},
		"register not allowed":       {sandbox.Fault{Op: sandbox.OpRegister, Status: 401}, holds.Auth, holds.ScopeRegister},
		"wrong method for register":  {sandbox.Fault{Op: sandbox.OpRegister, Status: 405}, holds.Contract, holds.ScopeRegister},
		"unknown path of WHOIS":      {sandbox.Fault{Op: sandbox.OpWhois, Status: 404, Bare: true}, holds.Contract, holds.ScopeAll},
		"unknown path of register":   {sandbox.Fault{Op: sandbox.OpRegister, Status: 404, Bare: true}, holds.Contract, holds.ScopeRegister},
		"no direct debit, says auth": {sandbox.Fault{Op: sandbox.OpAuthenticate, Status: 402}, holds.Payment, holds.ScopeRegister},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			c.fault.Kind, c.fault.Count = sandbox.KindStatus, sandbox.Always
			fault, err := b.sandbox.Inject(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			b.work(b.options())
			order := b.submit(queue.Register, "r", names("shop", 60))
			b.eventually(func() bool { return len(b.holds()) == 1 && b.holds()[0].Probes > 1 })
			if h := b.holds()[0]; h.Reason != c.reason || h.Scope != c.scope {
				t.Errorf("hold for %s on %s (%s), want %s on %s", h.Reason, h.Scope, h.Words, c.reason, c.scope)
			}
			if fault.Fired() == 0 {
				t.Fatal("the fault did not happen")
			}
			if n := b.sql(`SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL`); n > 0 {
				t.Errorf("%d jobs ended for a reason that was not theirs", n)
			}
			fault.Remove()
			if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 60 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			b.invariants()
		})
	}
}

// One account cannot pay. The other does not notice.
func TestHoldOfOneAccountLeavesTheOtherAlone(t *testing.T) {
	t.Parallel()
	options := poor(0)
	options.Accounts["rich"] = sandbox.Account{Secret: "rich-secret", Balance: sandbox.Unlimited, DirectDebit: true}
	b := setup(t, options)
	rich, err := registrar.New(registrar.Config{BaseURL: b.server.URL, ClientID: "rich", ClientSecret: "rich-secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rich.Close)
	o := b.options()
	o.HoldInterval = time.Hour
	o.Accounts = append(o.Accounts, worker.Account{Name: "rich", Upstream: rich})
	b.work(o)
	held := b.submit(queue.Register, "held", names("poor", 2000))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	paid := b.submitFor("rich", queue.Register, "paid", names("rich", 500))
	if sum := b.settled(paid)[0]; sum.Outcomes[record.Registered] != 500 {
		t.Errorf("the other account's order ended as %v %v", sum.Counts, sum.Outcomes)
	}
	if sum, err := b.store.Orders.Summarize(t.Context(), held); err != nil || sum.Settled() {
		t.Errorf("the held order: %v, %v", sum.Counts, err)
	}
	for _, r := range b.sandbox.Ledger().Received(sandbox.OpRegister) {
		if (r.Account == "rich") != labelled("rich")(r.Domain) {
			t.Fatalf("%s was sent for account %s", r.Domain, r.Account)
		}
	}
	b.invariants()
}

// unauthorized is an upstream that answers 401 for some items of a register call that it carries out for the others.
type unauthorized struct {
	*registrar.Client
	refuses    func(domain string) bool
	generation atomic.Uint64 // of the token
	calls      atomic.Int32
}

func (u *unauthorized) Invalidate(generation uint64) {
	u.generation.CompareAndSwap(generation, generation+1)
	u.Client.Invalidate(generation)
}

func (u *unauthorized) RegisterBulk(ctx context.Context, registrations []registrar.Registration) (registrar.RegisterReply, error) {
	u.calls.Add(1)
	generation := u.generation.Load()
	var good []registrar.Registration
	var refused []registrar.Result
	for _, r := range registrations {
		if u.refuses(r.Domain) {
			refused = append(refused, registrar.Result{Domain: r.Domain, Outcome: registrar.Failed, StatusCode: http.StatusUnauthorized})
		} else {
			good = append(good, r)
		}
	}
	reply := registrar.RegisterReply{Answer: registrar.Answer{Status: http.StatusOK, Sent: true, Complete: true}}
	if len(good) > 0 {
		var err error
		if reply, err = u.Client.RegisterBulk(ctx, good); err != nil {
			return reply, err
		}
	}
	reply.TokenGeneration = generation
	reply.Results = append(reply.Results, refused...)
	return reply, nil
}

// The upstream answers 401 for one item, which is not the first, again and again. It is not called for without a pause: the
// token is refreshed once, and when nothing but that item is left, the account is on hold.
func TestItemUnauthorizedAmongOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	u := &unauthorized{Client: b.client(), refuses: labelled("zz")}
	u.generation.Store(1)
	o := b.options()
	o.HoldInterval = time.Hour
	o.Accounts = []worker.Account{{Name: "default", Upstream: u}}
	b.work(o)
	order := b.submit(queue.Register, "r", append(names("shop", 11), "zz-1.nl"))
	b.eventually(func() bool { return len(b.holds()) == 1 || u.calls.Load() > 10 })
	if h := b.holds(); len(h) != 1 || h[0].Reason != holds.Auth || h[0].Scope != holds.ScopeRegister {
		t.Errorf("holds %+v, want one for auth", h)
	}
	if n := u.calls.Load(); n > 2 {
		t.Errorf("%d register calls, want 2", n)
	}
	sum, err := b.store.Orders.Summarize(t.Context(), order)
	if err != nil || sum.Outcomes[record.Registered] != 11 || sum.Counts[record.Failed] != 0 {
		t.Errorf("%v %v, %v", sum.Counts, sum.Outcomes, err)
	}
	b.invariants()
}

// One account is slow. The other goes at its own speed.
func TestSlowAccountDoesNotSlowTheOther(t *testing.T) {
	t.Parallel()
	options := poor(sandbox.Unlimited)
	options.Accounts["fast"] = sandbox.Account{Secret: "fast-secret", Balance: sandbox.Unlimited, DirectDebit: true}
	b := setup(t, options)
	if _, err := b.sandbox.Inject(sandbox.Fault{Op: sandbox.OpWhois, Account: sandbox.DefaultClientID, Kind: sandbox.KindSlow, Delay: 2 * time.Second, Count: sandbox.Always}); err != nil {
		t.Fatal(err)
	}
	fast, err := registrar.New(registrar.Config{BaseURL: b.server.URL, ClientID: "fast", ClientSecret: "fast-secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fast.Close)
	o := b.options()
	o.Accounts = append(o.Accounts, worker.Account{Name: "fast", Upstream: fast})
	b.work(o)
	slow := b.submit(queue.Whois, "slow", names("slow", 30_000))
	b.eventually(func() bool { return calls(b.sandbox.Ledger(), sandbox.OpWhois) >= 4 })
	b.settled(b.submitFor("fast", queue.Whois, "fast", names("fast", 10_000)))
	if sum, err := b.store.Orders.Summarize(t.Context(), slow); err != nil || sum.Counts[record.Succeeded] > 15_000 {
		t.Errorf("the slow order stands at %v, %v: nothing was proven", sum.Counts, err)
	}
}
