package worker_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// What the registrar accepts for later is never sent again, however often WHOIS calls it available. It needs a person.
func TestAcceptedIsNeverSentAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*sandbox.Fault{
		"items that are pending":   nil,
		"a call that gets 202":     {Op: sandbox.OpRegister, Kind: sandbox.KindAccepted, Count: sandbox.Always},
		"a word that nobody knows": {Op: sandbox.OpRegister, Kind: sandbox.KindPending, Word: "being looked into", Items: 9, Count: sandbox.Always},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: true})
			if fault != nil {
				if _, err := b.sandbox.Inject(*fault); err != nil {
					t.Fatal(err)
				}
			}
			o := b.options()
			o.UpstreamTimeout = time.Second
			b.work(o)
			order := b.submit(queue.Register, "r", []string{"pendingonly-a.nl", "pendingonly-b.nl"})
			if sum := b.settled(order)[0]; sum.Counts[record.Unconfirmed] != 2 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			if n := len(b.sandbox.Ledger().Received(sandbox.OpRegister)); n != 2 {
				t.Errorf("%d items were sent, want 2", n)
			}
			if n := b.sql(`SELECT count(*) FROM attempts WHERE state = 'unknown' AND accepted`); n != 2 {
				t.Errorf("%d attempts are marked as accepted", n)
			}
			b.invariants()
		})
	}
}

// A domain that WHOIS calls available and premium is sold only to who allows it, and WHOIS orders show the words.
func TestBarredWords(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	order := func(reference string, allow ...string) record.Order {
		r, err := input.FromArgs([]string{"premium-" + reference + ".nl", "shop-" + reference + ".nl"},
			input.Options{Kind: "register", DefaultHolderID: "H-1", DefaultAllowStatus: allow})
		if err != nil {
			t.Fatal(err)
		}
		return b.submitRead(intake.Order{Source: "test", Reference: reference, Kind: queue.Register, Account: "default"}, r, intake.Chunks{Whois: 100, Register: 50})
	}
	refused, allowed := order("refused"), order("allowed", "premium")
	whois := b.submit(queue.Whois, "w", []string{"premium-c.nl", "free-c.nl"})
	b.settled(refused, allowed, whois)
	b.want(refused, map[string]record.Outcome{"premium-refused.nl": record.Rejected, "shop-refused.nl": record.Registered})
	b.want(allowed, map[string]record.Outcome{"premium-allowed.nl": record.Registered, "shop-allowed.nl": record.Registered})
	b.want(whois, map[string]record.Outcome{"premium-c.nl": record.Available, "free-c.nl": record.Available})
	if j := b.jobs(whois)["premium-c.nl"]; j.WhoisStatus == "" {
		t.Error("the words beside available are not kept")
	}
	if j := b.jobs(whois)["free-c.nl"]; j.WhoisStatus != "" {
		t.Errorf("a free domain has the words %q", j.WhoisStatus)
	}
}

// A reply that calls a domain registered which nobody asked for is put on record.
func TestStrayRegistrations(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	if _, err := b.sandbox.Inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindExtra, Items: 2}); err != nil {
		t.Fatal(err)
	}
	b.work(b.options())
	if sum := b.settled(b.submit(queue.Register, "r", names("shop", 3)))[0]; sum.Outcomes[record.Registered] != 3 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	if n := b.sql(`SELECT count(*) FROM stray_registrations`); n == 0 {
		t.Error("nothing is on record")
	}
}

// A 429 pauses the whole account, also calls of another kind that were about to be made.
func TestTooManyRequestsPauseTheAccount(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	fault := sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}
	if _, err := b.sandbox.Inject(fault); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.Whois.Concurrency = 1
	b.work(o)
	whois := b.submit(queue.Whois, "w", names("free", 300))
	b.eventually(func() bool { return calls(b.sandbox.Ledger(), sandbox.OpWhois) >= 1 })
	b.settled(whois, b.submit(queue.Register, "r", names("shop", 10)))
	var at []time.Time
	for _, c := range b.sandbox.Ledger().Calls {
		if c.Op == sandbox.OpWhois || c.Op == sandbox.OpRegister {
			at = append(at, c.At)
		}
	}
	if gap := at[1].Sub(at[0]); gap < 1900*time.Millisecond {
		t.Errorf("the next call came %v after a 429 that asked for 2 s", gap)
	}
	if n := b.sql(`SELECT max(attempts) FROM jobs`); n != 1 {
		t.Errorf("a 429 used up an attempt: %d", n)
	}
}

// gatekeeper lets WHOIS calls go on one by one.
type gatekeeper struct {
	worker.Upstream
	begun chan struct{}
	goOn  chan struct{}

	mu    sync.Mutex
	calls int
}

func (g *gatekeeper) CheckBulk(ctx context.Context, domains []string, known ...registrar.Holder) (registrar.CheckReply, error) {
	g.mu.Lock()
	g.calls++
	g.mu.Unlock()
	select {
	case g.begun <- struct{}{}:
	default:
	}
	select {
	case <-g.goOn:
	case <-ctx.Done():
	}
	return g.Upstream.CheckBulk(ctx, domains, known...)
}

// Batches wait for a slot when the worker is told to stop. None of them begins a call any more, and nothing is lost.
func TestNoCallBeginsAfterStopping(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	up := &gatekeeper{Upstream: b.client(), begun: make(chan struct{}, 1), goOn: make(chan struct{})}
	o := b.options()
	o.Accounts[0].Upstream = up
	o.Whois.Concurrency = 1
	stop := b.work(o)
	whois, register := b.submit(queue.Whois, "w", names("free", 300)), b.submit(queue.Register, "r", names("shop", 100))
	<-up.begun
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM claims WHERE closed_at IS NULL`) > 2 }) // they wait in line
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM claims WHERE closed_at IS NULL`) == 1 }) // given back
	close(up.goOn)
	<-stopped
	if up.calls != 1 {
		t.Errorf("%d WHOIS calls were made, want the one that was under way", up.calls)
	}
	if n := len(b.sandbox.Ledger().Received(sandbox.OpRegister)); n > 0 {
		t.Errorf("%d domains were sent after the worker was told to stop", n)
	}
	b.work(b.options())
	b.settled(whois, register)
	b.invariants()
}
