package worker_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const (
	// redelivery is how long a delivery that nobody claims is left alone without a recall.
	redelivery = 30 * time.Second
	// recallTime is how soon everything is done after Redis was emptied, also on a busy machine: sooner than by redelivery.
	recallTime = 27 * time.Second
)

// redisClient is a connection to the Redis of this test.
func (b *bench) redisClient() *redis.Client {
	b.t.Helper()
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := redis.NewClient(options)
	b.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return client
}

// depth is how many chunks of WHOIS checks lie in Redis.
func (b *bench) depth(gauge *queue.Gauge) int {
	b.t.Helper()
	total := 0
	for _, lane := range queue.Lanes() {
		n, err := gauge.Depth(b.t.Context(), queue.AccountQueue(queue.Whois, lane, "default"))
		if err != nil {
			b.t.Fatal(err)
		}
		total += n
	}
	return total
}

// deliverAll delivers every chunk of WHOIS checks to nowhere.
func (b *bench) deliverAll() {
	b.t.Helper()
	for _, lane := range []record.Lane{record.Plain, record.Bulk} {
		lot := delivery.Lot{Kind: record.Whois, Lane: lane, Account: "default"}
		if _, err := b.store.Delivery.TakeUndelivered(b.t.Context(), lot, 1000, redelivery); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Many small orders wait in Redis behind a call that is stuck, and most of them are gone at once.
func TestRedisEmptiedUnderAWorker(t *testing.T) {
	t.Parallel()
	const chunks, taken = 60, 10 // a handler each, see below
	b := setup(t, sandbox.Options{})
	gate := b.sandbox.Hold(sandbox.OpWhois, sandbox.BeforeReply)
	o := b.options()
	o.Whois = worker.Tuning{BatchSize: 5, Linger: 10 * time.Millisecond, Concurrency: 1}
	o.UpstreamTimeout = 25 * time.Second
	var orders []record.Order
	for i := range chunks {
		name := fmt.Sprintf("o%d", i)
		orders = append(orders, b.submitChunked(queue.Whois, name, names(name, 4), intake.Chunks{Whois: 5, Register: 1}))
	}
	b.work(o)
	<-gate.Held()
	gauge := queue.NewGauge(b.redisClient())
	b.eventually(func() bool { return b.depth(gauge) == chunks })

	b.flushRedis()
	emptied := time.Now()
	gate.Release()
	for _, sum := range b.settled(orders...) {
		if sum.Counts[record.Succeeded] != 4 {
			t.Errorf("%s ended as %v", sum.Reference, sum.Counts)
		}
	}
	if took := time.Since(emptied); took > recallTime {
		t.Errorf("it took %v after Redis was emptied, want at most %v", took, recallTime)
	}
	if n := b.sql(`SELECT count(*) FROM jobs WHERE epoch > 0`); n < 4*(chunks-2*taken) {
		t.Errorf("%d of %d jobs were delivered again: were they gone?", n, 4*chunks)
	}
	b.invariants()
}

// Redis is emptied while nobody works. Who comes then, finds out; who finds everything as it was, lets it be.
func TestRedisEmptiedWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())()

	lost := b.submit(queue.Whois, "lost", names("lost", 450))
	b.deliverAll()
	b.flushRedis()
	begun := time.Now()
	stop := b.work(b.options())
	b.settled(lost)
	if took := time.Since(begun); took > recallTime {
		t.Errorf("it took %v, want at most %v", took, recallTime)
	}
	stop()

	b.submit(queue.Whois, "kept", names("kept", 450))
	b.deliverAll()
	b.work(b.options())
	b.settled(b.submit(queue.Whois, "other", names("other", 10)))
	if n := b.sql(`SELECT count(*) FROM jobs WHERE domain LIKE 'kept-%' AND state = 'queued' AND epoch = 0`); n != 450 {
		t.Errorf("%d of 450 jobs wait for their delivery, which nobody has lost", n)
	}
}

// Redis comes up from a snapshot that is older than the newest deliveries. A worker that saw it younger finds out.
func TestRedisBackFromAnOldSnapshot(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.Kinds = []queue.Kind{queue.Register} // it takes no WHOIS checks
	b.work(o)
	client := b.redisClient()
	looks := func() int {
		n, err := client.HGet(t.Context(), "bulkreg:life", "looks").Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		return n
	}
	b.eventually(func() bool { return looks() > 0 })
	restore := b.snapshotRedis(client)
	old := looks()
	lost := b.submit(queue.Whois, "lost", names("lost", 450))
	b.deliverAll()
	b.eventually(func() bool { return looks() > old+1 })

	restore()
	begun := time.Now()
	b.work(b.options())
	b.settled(lost)
	if took := time.Since(begun); took > recallTime {
		t.Errorf("it took %v, want at most %v", took, recallTime)
	}
	if n := b.sql(`SELECT count(*) FROM delivery_marks`); n != 2 {
		t.Errorf("%d marks are known, want the first and one more", n)
	}
}

// snapshotRedis returns what brings everything in Redis back to what it is now.
func (b *bench) snapshotRedis(client *redis.Client) (restore func()) {
	b.t.Helper()
	ctx := b.t.Context()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	values := map[string]string{}
	for _, key := range keys {
		value, err := client.Dump(ctx, key).Result()
		if errors.Is(err, redis.Nil) {
			continue // it has run out in between
		}
		if err != nil {
			b.t.Fatal(err)
		}
		values[key] = value
	}
	return func() {
		b.t.Helper()
		_, err := client.TxPipelined(ctx, func(all redis.Pipeliner) error {
			all.FlushDB(ctx) // the other databases of the server are those of other tests
			for key, value := range values {
				all.Restore(ctx, key, 0, value)
			}
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// Asynq's Inspector, and what is built on it, finds the queues again. Workers agree on one mark.
func TestQueuesAreKnownAgainAfterRedisWasEmptied(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	for _, name := range []string{"one", "two", "three"} {
		o := b.options()
		o.Name = name
		b.work(o)
	}
	conn, err := asynq.ParseRedisURI(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspector(conn)
	defer func() {
		if err := inspector.Close(); err != nil {
			t.Error(err)
		}
	}()
	for emptied := range 3 {
		b.eventually(func() bool {
			queues, err := inspector.Queues()
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(queues)
			want := []string{
				"register", "register-bulk", "register-bulk/default", "register/default",
				"whois", "whois-bulk", "whois-bulk/default", "whois/default",
			}
			return slices.Equal(queues, want) &&
				b.sql(`SELECT count(*) FROM delivery_marks`) == emptied+1
		})
		b.flushRedis()
	}
}
