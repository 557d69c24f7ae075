package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Whatever a producer writes into a queue that is no task of Asynq's is taken out of its hands, and said. Left there, it would keep Asynq from
// giving back the tasks of workers that were lost.
func TestWhatNobodyCanReadIsSetAside(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	client := b.redisClient()
	do := func(args ...any) {
		t.Helper()
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// A message that is good, but for where it lies.
	info, err := b.asynqClient().EnqueueContext(t.Context(), asynq.NewTask(queue.TypeRegister, []byte(`{}`)), asynq.Queue("elsewhere"), asynq.ProcessIn(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	message := client.HGet(t.Context(), "asynq:{elsewhere}:t:"+info.ID, "msg").Val()
	for id, msg := range map[string]string{"garbage": "\xff\xff\xff", "empty": "", "of another name": message, info.ID: message} {
		do("HSET", "asynq:{register}:t:"+id, "msg", msg, "state", "pending")
		do("LPUSH", "asynq:{register}:pending", id)
	}
	do("LPUSH", "asynq:{register}:pending", "without a task")
	do("SET", "asynq:{register}:t:of another type", "x")
	do("LPUSH", "asynq:{register}:pending", "of another type")
	// One that was taken by a worker that is no more.
	do("HSET", "asynq:{register-bulk}:t:old", "msg", "\x00garbage", "state", "active")
	do("LPUSH", "asynq:{register-bulk}:active", "old")
	do("ZADD", "asynq:{register-bulk}:lease", 1, "old")

	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
	stop := b.work(o)
	if _, err := b.asynqClient().EnqueueContext(t.Context(), asynq.NewTask(queue.TypeRegister,
		[]byte(`{"order":"good","source":"shop","jobs":[{"domain":"good.nl","holder_id":"H-1"}]}`)), asynq.Queue("register")); err != nil {
		t.Fatal(err)
	}
	good := b.found("shop", "good")
	b.settled(good)
	b.want(good, map[string]record.Outcome{"good.nl": record.Registered})
	aside := func(name string) map[string]string { return client.HGetAll(t.Context(), queue.AsideKey(name)).Val() }
	// Where a lease has begun it has to end first.
	b.eventually(func() bool {
		_ = client.ZRangeWithScores(t.Context(), "asynq:{register}:lease", 0, -1).Err()
		for _, z := range client.ZRangeWithScores(t.Context(), "asynq:{register}:lease", 0, -1).Val() {
			client.ZAddXX(t.Context(), "asynq:{register}:lease", redis.Z{Member: z.Member, Score: 1})
		}
		return len(aside("register")) == 6 && len(aside("register-bulk")) == 1
	})
	stop()
	for _, key := range []string{"asynq:{register}:active", "asynq:{register-bulk}:active", "asynq:{register}:lease", "asynq:{register-bulk}:lease"} {
		if client.Exists(t.Context(), key).Val() != 0 {
			t.Errorf("%s is not empty", key)
		}
	}
	if got := aside("register"); got["garbage"] != "\xff\xff\xff" || got["of another name"] != message {
		t.Errorf("set aside: %q", got)
	}
	if n := strings.Count(log.String(), "is no task of Asynq's"); n != 7 || !strings.Contains(log.String(), `"kept_in":"bulkreg:{register}:unreadable"`) {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	b.invariants()
}
