package torture

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// production are scenarios of producers that enqueue chunks by themselves.
func production() []scenario {
	return []scenario{
		{name: "hundreds of producers' chunks of one order at once", run: func(w *world) { manyChunks(w, 400) }},
		{name: "producers' chunks and tasks that nobody can carry out", quick: true, run: badTasks},
		{name: "a producer that names the jobs of others", quick: true, run: hostileProducer},
		{
			name: "producers' chunks, and the worker killed meanwhile", run: killAdopter,
			want: expectation{redelivered: true},
		},
	}
}

// produced is what a producer has put into a queue. None of it may disappear (I15).
type produced struct {
	kind  queue.Kind
	chunk queue.Chunk
}

const producerSource = "shop"

// produce puts a chunk into a queue, as a producer does that knows nothing of Postgres.
func (w *world) produce(kind queue.Kind, order string, domains []string) {
	w.t.Helper()
	if err := w.produceAll(kind, order, [][]string{domains}); err != nil {
		w.t.Fatal(err)
	}
}

// produceAll puts chunks into a queue, several at a time.
func (w *world) produceAll(kind queue.Kind, order string, chunks [][]string) error {
	producer, err := queue.NewProducer(w.redis.URL())
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(16)
	for _, domains := range chunks {
		c := queue.Chunk{Order: order, Source: producerSource, Account: "default"}
		for _, d := range domains {
			j := queue.Job{Domain: d}
			if kind == queue.Register {
				j.HolderID = sandbox.DefaultHolder
			}
			c.Jobs = append(c.Jobs, j)
		}
		w.produced = append(w.produced, produced{kind, c})
		group.Go(func() error { return producer.Enqueue(w.t.Context(), kind, queue.Bulk, c) })
	}
	err = group.Wait()
	if cerr := producer.Close(); err == nil {
		err = cerr
	}
	return err
}

// adopted waits until an order has all the jobs that producers put into queues for it, and has it judged like any other.
func (w *world) adopted(reference string) {
	w.t.Helper()
	want := map[string]bool{}
	for _, p := range w.produced {
		if p.chunk.Order == reference {
			for _, j := range p.chunk.Jobs {
				want[j.Domain] = true
			}
		}
	}
	var order record.Order
	w.await(fmt.Sprintf("order %s has its %d jobs", reference, len(want)), func() (bool, error) {
		asking, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		var err error
		order, err = w.store.Orders.Find(asking, producerSource, reference)
		return order.Total == len(want), err
	})
	w.orders = append(w.orders, order)
}

// nothingDisappeared checks that what producers put into queues became rows, or lies in Asynq's archive (I15).
func (w *world) nothingDisappeared() {
	w.t.Helper()
	if len(w.produced) == 0 && len(w.misfits) == 0 {
		return
	}
	archived, err := w.archived()
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []uuid.UUID
	for _, p := range w.produced {
		for _, j := range p.chunk.Jobs {
			ids = append(ids, queue.JobID(p.chunk.Source, p.chunk.Order, p.kind, j.Domain))
		}
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	missing, err := w.sql(`SELECT count(*) FROM unnest($1::text[]) AS p (id) WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = p.id::uuid)`, texts)
	if err != nil {
		w.t.Fatal(err)
	}
	if missing > 0 {
		w.t.Errorf("I15: %d of %d jobs that producers put into queues have no row", missing, len(ids))
	}
	for _, m := range w.misfits {
		found := 0
		for _, a := range archived {
			if bytes.Equal(a.Payload, m) && a.LastErr != "" {
				found++
			}
		}
		if found != 1 {
			w.t.Errorf("I15: %q is %d times in Asynq's archive with a reason, want once", m, found)
		}
	}
}

// archived are the tasks in Asynq's archives.
func (w *world) archived() (tasks []*asynq.TaskInfo, err error) {
	address, err := queue.ParseRedisURL(w.redis.URL())
	if err != nil {
		return nil, err
	}
	inspector := asynq.NewInspector(address)
	queues, err := inspector.Queues()
	for _, q := range queues {
		var some []*asynq.TaskInfo
		if some, err = inspector.ListArchivedTasks(q, asynq.PageSize(1000)); err != nil {
			break
		}
		tasks = append(tasks, some...)
	}
	if cerr := inspector.Close(); err == nil {
		err = cerr
	}
	return tasks, err
}

// misfit puts a task into a queue that nobody can carry out.
func (w *world) misfit(queueName, taskType, payload string) {
	w.t.Helper()
	address, err := queue.ParseRedisURL(w.redis.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	client := asynq.NewClient(address)
	_, err = client.EnqueueContext(w.t.Context(), asynq.NewTask(taskType, []byte(payload)), asynq.Queue(queueName), asynq.MaxRetry(5))
	if cerr := client.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.misfits = append(w.misfits, []byte(payload))
}

func manyChunks(w *world, n int) {
	chunks := make([][]string, n)
	for i := range chunks {
		chunks[i] = names(fmt.Sprintf("p%d", i), batchSize)
	}
	w.worker("REGISTER_CONCURRENCY=4")
	w.worker("REGISTER_CONCURRENCY=4")
	if err := w.produceAll(queue.Register, "own", chunks); err != nil {
		w.t.Fatal(err)
	}
	w.adopted("own")
	w.proveCount("producers' chunks of one order at once", n)
}

// Good chunks go on beside tasks that are none.
func badTasks(w *world) {
	w.worker()
	w.produce(queue.Register, "own", names("a", batchSize))
	w.misfit("register", queue.TypeWhois, `{"v":1,"order":"x","source":"shop","account":"default","jobs":[{"domain":"wrong-type.nl"}]}`)
	w.misfit("whois", queue.TypeRegister, `{"v":1,"order":"x","source":"shop","account":"default","jobs":[{"domain":"wrong-queue.nl","holder_id":"H"}]}`)
	w.misfit("register", queue.TypeRegister, `{"v":9,"order":"x","source":"shop","account":"default","jobs":[{"domain":"version.nl","holder_id":"H"}]}`)
	w.misfit("register-bulk", queue.TypeRegister, `{"v":1,"order":"x","source":"shop","account":"default","jobs":[{"domain":"field.nl","holder_id":"H","price":1}]}`)
	w.misfit("whois", "email:deliver", `{"to":"somebody"}`)
	w.produce(queue.Whois, "checks", names("w", 20))
	w.adopted("own")
	w.adopted("checks")
	w.await("the archive has every misfit", func() (bool, error) {
		archived, err := w.archived()
		return len(archived) >= len(w.misfits), err
	})
	w.proveCount("producers' tasks that nobody can carry out", len(w.misfits))
}

func killAdopter(w *world) {
	chunks := make([][]string, 60)
	for i := range chunks {
		chunks[i] = names(fmt.Sprintf("p%d", i), batchSize)
	}
	w.toDatabase.DropCommit("INSERT INTO orders")
	crasher := w.worker("CRASH_AT=claimed:3")
	if err := w.produceAll(queue.Register, "own", chunks); err != nil {
		w.t.Fatal(err)
	}
	w.crashed(crasher, "worker killed while producers' chunks arrive")
	w.worker()
	w.patience = 4 * time.Minute // what the dead worker held in Redis comes back after up to two
	w.adopted("own")
}
