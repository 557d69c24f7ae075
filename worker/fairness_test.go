package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// calm is an upstream that answers everything well, after the time that a call takes.
type calm struct {
	worker.Upstream // nil: nothing else is asked
	check, register time.Duration
	stuck           chan struct{} // nil, or no call ends before this is closed

	mu     sync.Mutex
	checks int // calls begun
}

func (c *calm) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checks
}

func (c *calm) CheckBulk(ctx context.Context, domains []string, _ ...registrar.Holder) (registrar.CheckReply, error) {
	c.mu.Lock()
	c.checks++
	c.mu.Unlock()
	if err := c.after(ctx, c.check); err != nil {
		return registrar.CheckReply{Answer: registrar.Answer{Sent: true}}, err
	}
	reply := registrar.CheckReply{Answer: registrar.Answer{Status: 200, Sent: true, Complete: true}}
	for _, d := range domains {
		reply.Checks = append(reply.Checks, registrar.Check{Domain: d, Availability: registrar.Available})
	}
	return reply, nil
}

func (c *calm) RegisterBulk(ctx context.Context, rs []registrar.Registration) (registrar.RegisterReply, error) {
	if err := c.after(ctx, c.register); err != nil {
		return registrar.RegisterReply{Answer: registrar.Answer{Sent: true}}, err
	}
	reply := registrar.RegisterReply{Answer: registrar.Answer{Status: 200, Sent: true, Complete: true}}
	for _, r := range rs {
		reply.Results = append(reply.Results, registrar.Result{Domain: r.Domain, Outcome: registrar.Registered})
	}
	return reply, nil
}

func (c *calm) after(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	over := timer.C
	if c.stuck != nil {
		over = nil
	}
	select {
	case <-over:
		return nil
	case <-c.stuck:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// took measures how long an order takes from its submission to its end.
func (b *bench) took(account string, kind queue.Kind, reference string, domains []string) time.Duration {
	b.t.Helper()
	begun := time.Now()
	b.settled(b.submitFor(account, kind, reference, domains))
	return time.Since(begun)
}

// A slow account has a backlog of all sorts of orders. Beside it a fast one is as fast as alone.
func TestSlowAccountBesideAFastOne(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	slow, fast := &calm{stuck: make(chan struct{})}, &calm{check: 20 * time.Millisecond}
	o := b.options()
	o.UpstreamTimeout = 2 * time.Minute
	o.Accounts = []worker.Account{{Name: "slow", Upstream: slow}, {Name: "fast", Upstream: fast}}
	b.work(o)
	t.Cleanup(func() { close(slow.stuck) })
	b.took("fast", queue.Whois, "warm", names("warm", 1))
	var alone, beside [2]time.Duration
	alone[0], alone[1] = b.took("fast", queue.Whois, "one", names("one", 1)), b.took("fast", queue.Whois, "many", names("many", 1000))

	b.submitFor("slow", queue.Whois, "slow", names("slow", 10_000))
	for i := range 60 {
		name := fmt.Sprintf("small-%d", i)
		b.submitOrder(intake.Order{Source: "test", Reference: name, Kind: queue.Whois, Account: "slow"}, "H-1", names(name, 40), intake.Chunks{Whois: 1, Register: 1})
	}
	b.eventually(func() bool { return slow.begun() == o.Whois.Concurrency })
	beside[0], beside[1] = b.took("fast", queue.Whois, "one more", names("onemore", 1)), b.took("fast", queue.Whois, "many more", names("manymore", 1000))
	t.Logf("one domain took %v alone and %v beside the slow account; a thousand %v and %v", alone[0], beside[0], alone[1], beside[1])
	for i, slack := range []time.Duration{2 * time.Second, 4 * time.Second} { // for a busy machine; it would be a minute
		if beside[i] > alone[i]+slack {
			t.Errorf("it took %v beside the slow account, and %v alone", beside[i], alone[i])
		}
	}
	if n := slow.begun(); n != o.Whois.Concurrency {
		t.Errorf("the slow account was called %d times meanwhile", n)
	}
}

// Fifty-one registrations wait their turn behind a hundred thousand of the same account, not for all of them.
func TestOrderBehindALargeOne(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	up := &calm{check: 50 * time.Millisecond, register: 50 * time.Millisecond}
	o.Accounts = []worker.Account{{Name: "default", Upstream: up}}
	b.submit(queue.Register, "large", names("large", 20_000))
	b.work(o)
	b.eventually(func() bool { return up.begun() > 4 })
	took := b.took("default", queue.Register, "small", names("small", 51))
	t.Logf("it took %v", took)
	if took > 15*time.Second { // 3 s on a machine with nothing else to do; behind all of it, it would be half a minute
		t.Errorf("it took %v", took)
	}
	if left := b.sql(`SELECT count(*) FROM jobs WHERE domain LIKE 'large-%' AND finished_at IS NULL`); left == 0 {
		t.Error("the large order was done by then: this shows nothing")
	}
}

// lockOrders lets nobody write an order until unlock is called.
func (b *bench) lockOrders() (unlock func()) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := conn.Exec(b.t.Context(), `BEGIN; LOCK TABLE orders IN SHARE MODE`); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := conn.Close(b.t.Context()); err != nil {
			b.t.Error(err)
		}
	}
}

// What producers hand over is adopted a few chunks at a time: whatever else needs Postgres gets a connection at once.
func TestAdoptionLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	const chunks, jobs = 40, 250
	for c := range chunks {
		// Each is an order of its own: those of one order would wait for each other, and not for Postgres.
		chunk := queue.Chunk{Order: fmt.Sprint("own-", c), Source: "shop", Account: "default"}
		for i := range jobs {
			chunk.Jobs = append(chunk.Jobs, queue.Job{Domain: fmt.Sprintf("d-%d-%d.nl", c, i)})
		}
		if err := producer.Enqueue(t.Context(), queue.Whois, queue.Bulk, chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(); err != nil {
		t.Fatal(err)
	}
	// The rows of orders cannot be written for now. Whoever wants to, keeps his connection.
	unlock := b.lockOrders()
	o := b.options()
	const conns = 10
	if o.Store, err = store.Open(t.Context(), b.url, store.Options{MaxConns: conns}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Store.Close)
	b.work(o)
	const stuck = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	b.eventually(func() bool { return b.sql(stuck) > 0 })
	for range 20 {
		asking, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := o.Store.Ping(asking); err != nil {
			t.Errorf("no connection is left: %v", err)
		}
		cancel()
		if n := b.sql(stuck); n > conns/2 {
			t.Errorf("%d of %d connections wait to adopt", n, conns)
		}
	}
	unlock()
	b.eventually(func() bool {
		return b.sql(`SELECT count(*) FROM jobs WHERE state = 'succeeded'`) == chunks*jobs
	})
	b.invariants()
}

// WHOIS is slow, and all its slots come free at once: as many registrations have to stand in line by then as there are slots, or
// plain checks take what is left, for as long as a check takes. One permit of nine is theirs anyway.
func TestRegistrationsKeepTheSlotsOfSlowWhois(t *testing.T) {
	t.Parallel()
	const fresh = 48 // checks before registrations, a whole number of rounds
	b := setup(t, sandbox.Options{})
	upstream := &calm{check: 2 * time.Second, register: 20 * time.Millisecond} // far longer than a busy machine needs between two checks
	o := b.options()
	o.Accounts = []worker.Account{{Name: "default", Upstream: upstream}}
	b.work(o)
	b.submit(queue.Whois, "backlog", names("plain", 20_000))
	b.eventually(func() bool { return upstream.begun() >= o.Whois.Concurrency })
	before := upstream.begun()
	b.settled(b.submit(queue.Register, "registrations", names("bought", fresh*o.Register.BatchSize)))
	plain := upstream.begun() - before - fresh
	t.Logf("%d plain checks were made beside %d before registrations", plain, fresh)
	// The last registrations leave slots to others when their checks are done, and none is in line. A busy machine may miss a round or
	// two; where one registration at a time stands in line, there are three plain checks beside each of theirs.
	if most := fresh/2 + 2*o.Whois.Concurrency + 2; plain > most {
		t.Errorf("%d plain checks were made beside %d before registrations, want at most %d", plain, fresh, most)
	}
}
