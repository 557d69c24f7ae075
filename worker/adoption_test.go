package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// asynqClient enqueues as any program may.
func (b *bench) asynqClient() *asynq.Client {
	b.t.Helper()
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := asynq.NewClient(address)
	b.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return client
}

// change changes the database behind everybody's back.
func (b *bench) change(sql string) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = conn.Exec(b.t.Context(), sql)
	if err := errors.Join(err, conn.Close(context.WithoutCancel(b.t.Context()))); err != nil {
		b.t.Fatal(err)
	}
}

// A producer's chunk comes while its rows cannot be written. It is adopted as soon as they can, also where the producer gave it
// no second try, and however often it had to go back.
func TestChunkWaitsUntilItsRowsCanBeWritten(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.change(`
		CREATE SEQUENCE tries;
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') <= 6 THEN RAISE EXCEPTION 'the database system is shutting down' USING ERRCODE = '57P01'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()`)
	client := b.asynqClient()
	for tries := range 3 {
		payload := fmt.Appendf(nil, `{"order":"own-%d","source":"shop","jobs":[{"domain":"own-%d.nl","holder_id":"H-1"}]}`, tries, tries)
		if _, err := client.Enqueue(asynq.NewTask(queue.TypeRegister, payload), asynq.Queue("register"), asynq.MaxRetry(tries)); err != nil {
			t.Fatal(err)
		}
	}
	b.work(b.options())
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`) == 3 })
	b.archived("register", 0)
	b.invariants()
}

// A delivery that lies in a public queue, whoever put it there, stays where people can see it. Its jobs are delivered anew, in turn.
func TestDeliveryInAPublicQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	order := b.submit(queue.Register, "o", names("old", 60))
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	handed := map[queue.Lane]int{}
	for _, lane := range queue.Lanes() {
		lot := delivery.Lot{Kind: record.Register, Lane: record.Lane(lane), Account: "default"}
		deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lot, 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		handed[lane] = len(deliveries)
		for _, d := range deliveries {
			chunk := queue.Chunk{Order: d.Reference, Source: d.Source, Account: "default"}
			for _, j := range d.Jobs {
				chunk.Jobs = append(chunk.Jobs, queue.Job{ID: j.ID, Domain: j.Domain, Epoch: &j.Epoch})
			}
			if err := producer.Enqueue(t.Context(), queue.Register, lane, chunk); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := producer.Close(); err != nil {
		t.Fatal(err)
	}
	b.work(b.options())
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 60 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	for lane, n := range handed {
		for _, task := range b.archived(queue.Queue(queue.Register, lane), n) {
			if !strings.Contains(task.LastErr, "a delivery in a queue for producers' own chunks") {
				t.Errorf("it was archived for %q", task.LastErr)
			}
		}
	}
	b.invariants()
}

// An account's queues are the dispatcher's alone. What somebody else puts there stays where people can see it.
func TestTasksThatDoNotBelongIntoAnAccountsQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	name := queue.AccountQueue(queue.Register, queue.Plain, "default")
	const fresh = `{"order":"x","source":"shop","jobs":[{"domain":"example.nl","holder_id":"H-1"}]}`
	const other = `{"order":"x","source":"shop","account":"partner","jobs":[{"id":"6d1c3c1e-54f4-4c53-9a4e-9f3f5f0d8b6a","domain":"example.nl","epoch":0}]}`
	b.enqueue(name, queue.TypeRegister, fresh)
	b.enqueue(name, queue.TypeRegister, other)
	b.enqueue(name, queue.TypeWhois, fresh)
	b.archived(name, 3)
	if n := b.sql(`SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM claims)`); n != 0 {
		t.Error("something became of them")
	}
}
