package queue_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
)

// bench is a Redis of its own, with a producer and ways to look at it.
type bench struct {
	t         *testing.T
	conn      asynq.RedisConnOpt
	producer  *queue.Producer
	inspector *asynq.Inspector
	redis     redis.UniversalClient
	gauge     *queue.Gauge
}

func setup(t *testing.T) *bench {
	t.Helper()
	url := redistest.New(t)
	conn, err := asynq.ParseRedisURI(url)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, conn: conn, inspector: asynq.NewInspector(conn), redis: conn.MakeRedisClient().(redis.UniversalClient)}
	if b.producer, err = queue.NewProducer(url); err != nil {
		t.Fatal(err)
	}
	b.gauge = queue.NewGauge(b.redis)
	t.Cleanup(func() {
		if err := errors.Join(b.producer.Close(), b.inspector.Close(), b.redis.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) enqueue(k queue.Kind, l queue.Lane, c queue.Chunk) {
	b.t.Helper()
	if err := b.producer.Enqueue(b.t.Context(), k, l, c); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantDepth(name string, want int) {
	b.t.Helper()
	if got, err := b.gauge.Depth(b.t.Context(), name); err != nil || got != want {
		b.t.Errorf("depth of %s is %d, %v; want %d", name, got, err, want)
	}
}

func TestProducerFillsTheRightQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, kind := range queue.Kinds() {
		for _, lane := range queue.Lanes() {
			chunk := delivered()
			if kind.OfPeople() {
				chunk = peopleDelivered()
			}
			b.enqueue(kind, lane, chunk)
			tasks, err := b.inspector.ListPendingTasks(queue.Queue(kind, lane))
			if err != nil || len(tasks) != 1 {
				t.Fatalf("%d tasks, %v", len(tasks), err)
			}
			task := tasks[0]
			if task.Type != kind.TaskType() || task.Queue != queue.Queue(kind, lane) {
				t.Errorf("%s task in %s, want %s in %s", task.Type, task.Queue, kind.TaskType(), queue.Queue(kind, lane))
			}
			if want, err := chunk.Encode(); err != nil || string(task.Payload) != string(want) {
				t.Errorf("payload %s, want %s", task.Payload, want)
			}
		}
	}
}

// What a task must not have: see the package comment.
func TestTasksAreBare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 { // a repeat is harmless, and no error
		b.enqueue(queue.Register, queue.Plain, delivered())
	}
	tasks, err := b.inspector.ListPendingTasks("register")
	if err != nil || len(tasks) != 3 {
		t.Fatalf("%d tasks, %v; want 3", len(tasks), err)
	}
	for _, task := range tasks {
		if _, err := uuid.Parse(task.ID); err != nil {
			t.Errorf("task has an id of ours: %s", task.ID)
		}
		if task.Retention != 0 || task.Group != "" || !task.Deadline.IsZero() || len(task.Headers) != 0 {
			t.Errorf("task is %+v", task)
		}
		if task.MaxRetry != math.MaxInt32 || task.Timeout < 10*time.Minute {
			t.Errorf("gives up after %d tries or %v", task.MaxRetry, task.Timeout)
		}
	}
	unique, err := b.redis.Keys(t.Context(), "asynq:*unique*").Result()
	if err != nil || len(unique) != 0 {
		t.Errorf("unique locks %v, %v", unique, err)
	}
}

func TestProducerRefusesBadChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := b.producer.Enqueue(t.Context(), queue.Whois, queue.Plain, queue.Chunk{})
	if !errors.As(err, new(*queue.PayloadError)) {
		t.Errorf("error is %v", err)
	}
	b.wantDepth("whois", 0)
}

func TestProducerWithoutRedis(t *testing.T) {
	t.Parallel()
	const password = "s3cret-word"
	for _, url := range []string{password, "redis://u:" + password + "@host:port/0", "http://u:" + password + "@host", "redis://u:" + password + "@host/x", ""} {
		p, err := queue.NewProducer(url)
		if err == nil || p != nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "REDIS_URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
	p, err := queue.NewProducer("redis://u:" + password + "@127.0.0.1:1/0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Enqueue(ctx, queue.Whois, queue.Plain, delivered()); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("error is %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A task counts from the moment it waits to the moment it is done.
func TestDepthCountsWaitingAndActive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.wantDepth("whois", 0)
	for range 3 {
		b.enqueue(queue.Whois, queue.Plain, delivered())
	}
	b.enqueue(queue.Whois, queue.Bulk, delivered())
	b.wantDepth("whois", 3)
	b.wantDepth("whois-bulk", 1)
	b.wantDepth("register", 0)

	begun, finish := make(chan struct{}, 3), make(chan struct{})
	server := asynq.NewServer(b.conn, asynq.Config{
		Concurrency: 2, Queues: map[string]int{"whois": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 10 * time.Millisecond,
	})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		begun <- struct{}{}
		<-finish
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	<-begun
	<-begun
	b.wantDepth("whois", 3) // two are being worked on, one waits
	close(finish)
	<-begun
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(30 * time.Second); ; { // until Asynq has taken note
		if n, err := b.gauge.Depth(t.Context(), "whois"); err != nil {
			t.Fatal(err)
		} else if n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("the tasks are done, and still count")
		}
	}
}

// Redis that was emptied holds nothing. The Inspector would call that an error.
func TestDepthAfterRedisWasEmptied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(queue.Whois, queue.Plain, delivered())
	if err := b.redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.wantDepth("whois", 0)
	b.enqueue(queue.Whois, queue.Plain, delivered())
	b.wantDepth("whois", 1)
}

func TestDepthOfAnUnreachableRedis(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := b.gauge.Depth(ctx, "whois"); !errors.Is(err, context.Canceled) || n != 0 || !strings.Contains(err.Error(), "queue whois") {
		t.Errorf("depth %d, %v", n, err)
	}
}

// A dispatcher's chunk takes the queue of its account, and somebody may pause it.
func TestDeliverTakesTheQueueOfTheAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	producer := queue.ProducerOn(b.redis)
	var all []string
	for _, account := range []string{"default", "a}:pending"} {
		chunk := delivered()
		chunk.Account = account
		if err := producer.Deliver(t.Context(), queue.Whois, queue.Bulk, chunk); err != nil {
			t.Fatal(err)
		}
		name := queue.AccountQueue(queue.Whois, queue.Bulk, account)
		b.wantDepth(name, 1)
		all = append(all, name)
	}
	b.wantDepth(queue.Queue(queue.Whois, queue.Bulk), 0)
	if err := b.inspector.PauseQueue(all[1]); err != nil {
		t.Fatal(err)
	}
	if paused, err := b.gauge.Paused(t.Context(), all); err != nil || !slices.Equal(paused, all[1:]) {
		t.Errorf("paused are %v, %v; want %v", paused, err, all[1:])
	}
}
