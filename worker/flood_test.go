package worker_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// flood hands over so many tasks of one domain each, as a producer does that knows of no chunks. Each is an order of its own.
func (b *bench) flood(kind queue.Kind, source string, tasks int) {
	b.t.Helper()
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(8)
	for i := range tasks {
		name := fmt.Sprintf("%s-%d", source, i)
		chunk := queue.Chunk{Order: name, Source: source, Account: "default", Jobs: []queue.Job{{Domain: name + ".nl", HolderID: "H-1"}}}
		g.Go(func() error { return producer.Enqueue(b.t.Context(), kind, queue.Plain, chunk) })
	}
	if err := g.Wait(); err != nil {
		b.t.Fatal(err)
	}
	if err := producer.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// A source floods the queue. What another one hands over behind all of it is done soon, although Redis knows no turns: the tasks
// before it are only adopted, and then the sources take turns.
func TestTaskBehindAFlood(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.Accounts = []worker.Account{{Name: "default", Upstream: &calm{check: 100 * time.Millisecond}}}
	o.Whois.Concurrency = 1
	o.Whois.BatchSize = 25
	const tasks = 1_500
	b.flood(queue.Whois, "flood", tasks)
	b.flood(queue.Whois, "other", 1)
	unfinished := func() int {
		return tasks - b.sql(`SELECT count(*) FROM jobs WHERE domain LIKE 'flood-%' AND finished_at IS NOT NULL`)
	}
	b.work(o)
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE state = 'succeeded'`) > 0 })
	b.took("default", queue.Whois, "desk", []string{"desk.nl"})
	meanwhile := unfinished()
	b.eventually(func() bool {
		return b.sql(`SELECT count(*) FROM jobs WHERE domain = 'other-0.nl' AND state = 'succeeded'`) == 1
	})
	left := unfinished()
	t.Logf("%d of the flood were left when an order had ended that waits for nothing in Redis, and %d when the task had", meanwhile, left)
	if meanwhile < tasks/2 {
		t.Errorf("an order waited for %d tasks of the flood", tasks-meanwhile)
	}
	if left < tasks/4 {
		t.Errorf("a task waited for %d tasks of the flood", tasks-left)
	}
}

// A source submits order after order. Another one's is done as if there were none of them.
func TestOrderBehindAFlood(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	up := &calm{check: 50 * time.Millisecond}
	o.Accounts = []worker.Account{{Name: "default", Upstream: up}}
	o.Whois.Concurrency = 1
	chunks := intake.Chunks{Whois: 100, Register: 50}
	submit := func(source, reference, domain string) {
		b.submitOrder(intake.Order{Source: source, Reference: reference, Kind: queue.Whois, Account: "default"}, "", []string{domain}, chunks)
	}
	o.Whois.BatchSize = 25
	const orders = 1_500
	var g errgroup.Group
	g.SetLimit(8)
	for i := range orders {
		g.Go(func() error {
			name := fmt.Sprintf("flood-%d", i)
			submit("flood", name, name+".nl")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	b.work(o)
	b.eventually(func() bool { return up.begun() > 1 })
	begun := time.Now()
	submit("other", "o", "other.nl")
	b.eventually(func() bool {
		return b.sql(`SELECT count(*) FROM jobs WHERE domain = 'other.nl' AND state = 'succeeded'`) == 1
	})
	took := time.Since(begun)
	left := b.sql(`SELECT count(*) FROM jobs WHERE domain LIKE 'flood-%' AND finished_at IS NULL`)
	t.Logf("it took %v; %d of the flood were left", took, left)
	if left < orders/2 {
		t.Errorf("it waited for %d orders of the flood", orders-left)
	}
}
