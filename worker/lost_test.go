package worker_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// archiveAs puts a task into Asynq's archive with words, as Asynq itself does when a worker is lost that had it.
func (b *bench) archiveAs(queueName, taskType, payload, words string) (id string) {
	b.t.Helper()
	// It is for later, so that no worker that runs already takes it before it is in the archive.
	info, err := b.asynqClient().EnqueueContext(b.t.Context(), asynq.NewTask(taskType, []byte(payload)), asynq.Queue(queueName), asynq.MaxRetry(0),
		asynq.ProcessIn(time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	client := b.redisClient()
	key := "asynq:{" + queueName + "}:t:" + info.ID
	message, err := client.HGet(b.t.Context(), key, "msg").Bytes()
	if err != nil {
		b.t.Fatal(err)
	}
	const errorField = 7<<3 | 2 // of the protobuf message, as it is written
	message = append(binary.AppendUvarint(append(message, errorField), uint64(len(words))), words...)
	if err := client.HSet(b.t.Context(), key, "msg", message).Err(); err != nil {
		b.t.Fatal(err)
	}
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	inspector := asynq.NewInspector(address)
	if err := inspector.ArchiveTask(queueName, info.ID); err != nil {
		b.t.Fatal(err)
	}
	if err := inspector.Close(); err != nil {
		b.t.Fatal(err)
	}
	return info.ID
}

// A task without tries whose worker was killed is carried out all the same, and said. Others stay where they are.
func TestTasksThatLostTheirWorkerAreFound(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
	payload := func(order string) string {
		return fmt.Sprintf(`{"order":%q,"source":"shop","jobs":[{"domain":"%[1]s.nl","holder_id":"H-1"}]}`, order)
	}
	lost := asynq.ErrLeaseExpired.Error()
	b.archiveAs("register", queue.TypeRegister, payload("before"), lost)
	b.archiveAs("register", queue.TypeRegister, payload("other"), "somebody's own reason")
	b.archiveAs("whois", queue.TypeRegister, payload("misfit"), lost)                // is turned away for what it is
	garbage := b.archiveAs("register", queue.TypeRegister, payload("garbage"), lost) // what nobody can read keeps nobody from the next one
	if err := b.redisClient().HSet(t.Context(), "asynq:{register}:t:"+garbage, "msg", "\xff\xff").Err(); err != nil {
		t.Fatal(err)
	}
	stop := b.work(o)
	b.found("shop", "before")
	b.archiveAs("register-bulk", queue.TypeRegister, payload("later"), lost)
	orders := []record.Order{b.found("shop", "before"), b.found("shop", "later")}
	b.settled(orders...)
	b.want(orders[0], map[string]record.Outcome{"before.nl": record.Registered})
	b.want(orders[1], map[string]record.Outcome{"later.nl": record.Registered})
	if err := b.redisClient().ZRem(t.Context(), "asynq:{register}:archived", garbage).Err(); err != nil { // the Inspector lists nothing beside it
		t.Fatal(err)
	}
	if task := b.archived("register", 1)[0]; task.LastErr != "somebody's own reason" {
		t.Errorf("the archive says %q", task.LastErr)
	}
	if task := b.archived("whois", 1)[0]; !strings.Contains(task.LastErr, "a task of type") {
		t.Errorf("the archive says %q", task.LastErr)
	}
	stop()
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("the one that cannot be read is said %d times:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), `"reason":"lost"`); n != 3 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	b.invariants()
}

// A task that kills whoever takes it is not handed to one worker after the other for ever.
func TestTaskThatLosesWorkerAfterWorkerStays(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
	id := b.archiveAs("register", queue.TypeRegister, `{"order":"x","source":"shop","jobs":[{"domain":"x.nl","holder_id":"H-1"}]}`, asynq.ErrLeaseExpired.Error())
	if err := b.redisClient().Set(b.t.Context(), "bulkreg:lost:register:"+id, 5, 0).Err(); err != nil {
		t.Fatal(err)
	}
	b.work(o)
	b.eventually(func() bool { return strings.Contains(log.String(), "lost its worker again") })
	b.archived("register", 1)
	if n := b.sql(`SELECT count(*) FROM jobs`); n != 0 {
		t.Errorf("%d jobs", n)
	}
}
