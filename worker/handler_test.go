package worker_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// A producer's own chunk may reach a worker that lacks its account. As long as any worker has announced that account, the
// jobs wait for one that has it.
func TestChunkOfAnAccountThatAnotherWorkerHas(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	if err := b.store.Fleet.AnnounceAccount(t.Context(), "partner"); err != nil {
		t.Fatal(err)
	}
	lacks := b.options()
	stop := b.work(lacks)
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
	}()
	chunk := queue.Chunk{Order: "own", Source: "shop", Account: "partner", Jobs: []queue.Job{{Domain: "example.nl", HolderID: "H-1"}}}
	for range 2 { // also when the producer repeats it
		if err := producer.Enqueue(t.Context(), queue.Register, queue.Plain, chunk); err != nil {
			t.Fatal(err)
		}
	}
	var order record.Order
	b.eventually(func() bool {
		order, err = b.store.Orders.Find(t.Context(), "shop", "own")
		return err == nil
	})
	b.waitsInWorker("register", 0)
	stop()
	if job := b.jobs(order)["example.nl"]; job.State != record.Queued || b.sql(`SELECT count(*) FROM chunks WHERE wake_at IS NULL`) != 1 {
		t.Fatalf("after a worker that lacks the account: %s %s, with no fresh chunk", job.State, job.Outcome)
	}
	has := b.options()
	has.Accounts = []worker.Account{{Name: "partner", Upstream: b.client()}}
	b.work(has)
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 1 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.invariants()
}
