package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// handOver puts deliveries of jobs that wait into the public queue, as a producer may that knows its jobs' ids.
func (b *bench) handOver(source, reference, account string, domains []string) {
	b.t.Helper()
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	first := 0
	chunk := queue.Chunk{Order: reference, Source: source, Account: account}
	for i, domain := range domains {
		chunk.Jobs = append(chunk.Jobs, queue.Job{ID: queue.JobID(source, reference, queue.Whois, domain), Domain: domain, Epoch: &first})
		if len(chunk.Jobs) == 100 || i == len(domains)-1 {
			if err := producer.Enqueue(b.t.Context(), queue.Whois, queue.Plain, chunk); err != nil {
				b.t.Fatal(err)
			}
			chunk.Jobs = nil
		}
	}
	if err := producer.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// A source hands its own jobs over past the turns of sources, to be called for before everybody else's.
func TestNoSourceJumpsItsTurn(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.Accounts = []worker.Account{{Name: "default", Upstream: &calm{check: 50 * time.Millisecond}}}
	o.Whois.Concurrency, o.Whois.BatchSize = 1, 25
	const jobs = 3_000
	flood := names("flood", jobs)
	order := intake.Order{Source: "flood", Reference: "o", Kind: queue.Whois, Account: "default"}
	b.submitOrder(order, "", flood, intake.Chunks{Whois: 25, Register: 25})
	b.handOver("flood", "o", "default", flood)
	b.work(o)
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE state = 'succeeded'`) > 0 })
	b.took("default", queue.Whois, "desk", []string{"desk.nl"})
	left := b.sql(`SELECT count(*) FROM jobs WHERE finished_at IS NULL`)
	t.Logf("%d of the flood were left", left)
	if left < jobs/2 {
		t.Errorf("an order waited for %d jobs of another source", jobs-left)
	}
}

// Whoever names another source's jobs in a public queue holds none of them up, also where no worker has their account.
func TestNoProducerHoldsJobsUp(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	theirs := b.submitOrder(intake.Order{Source: "shop", Reference: "o", Kind: queue.Whois, Account: "partner"}, "",
		names("theirs", 3), intake.Chunks{Whois: 10, Register: 10})
	b.handOver("shop", "o", "partner", names("theirs", 3))
	b.work(b.options()) // it has the account default alone
	b.archived("whois", 1)
	if n := b.sql(fmt.Sprintf(`SELECT count(*) FROM jobs WHERE order_id = %d AND wake_at IS NULL AND epoch = 0`, theirs.ID)); n != 3 {
		t.Errorf("%d of 3 jobs are as they were", n)
	}
}
