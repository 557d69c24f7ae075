package torture

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisFaults take Redis away in every way there is. None of them may leave a paid call without its answer.
func redisFaults() []scenario {
	slow := needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "4s"}}
	broken := expectation{redelivered: true}
	return []scenario{
		{name: "FLUSHALL during paid calls", quick: true, needs: slow, run: flushDuringCalls, want: broken},
		{name: "Redis killed and restarted empty", needs: slow, run: restartRedis, want: broken},
		{name: "all Redis clients killed every 50 ms", run: killClients, want: broken},
		{name: "Redis asleep", needs: slow, run: func(w *world) { pauseRedis(w, 5*time.Second) }, want: broken},
		{name: "Redis asleep for 70 s", needs: slow, run: func(w *world) { pauseRedis(w, 70*time.Second) }, want: broken},
		{name: "Redis full", run: fillRedis, want: broken},
		{name: "Redis a black hole", run: blackHoleRedis, want: broken},
	}
}

// underWay has one call in flight and more tasks behind it.
func (w *world) underWay(d time.Duration) {
	w.t.Helper()
	w.settings["REGISTER_CONCURRENCY"] = "1"
	fired := w.slowRegister(d)
	w.worker()
	w.register("order", names("a", 5*batchSize)...)
	w.hit(fired)
	w.await("more tasks are in Redis", func() (bool, error) {
		n, err := w.activeTasks()
		return n > 1, err
	})
}

func flushDuringCalls(w *world) {
	w.underWay(2 * time.Second)
	if err := w.redis.FlushAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.prove("FLUSHALL during paid calls")
	w.settledBy(time.Now(), 10*time.Second)
}

func restartRedis(w *world) {
	w.underWay(2 * time.Second)
	if err := w.redis.Restart(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.prove("Redis killed and restarted empty")
	w.settledBy(time.Now(), 10*time.Second)
}

func killClients(w *world) {
	w.worker()
	w.worker()
	w.register("order", names("a", 60*batchSize)...)
	w.killRedisClients(30 * time.Second)
}

// killRedisClients ends every connection of a worker every 50 ms.
func (w *world) killRedisClients(d time.Duration) {
	w.t.Helper()
	killed := 0
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := w.killClientsOnce()
		if err != nil {
			w.t.Fatal(err)
		}
		killed += int(n)
		pass(w.t, 50*time.Millisecond)
	}
	w.proveCount("connections to Redis killed", killed)
}

func (w *world) killClientsOnce() (n int64, err error) {
	err = w.askRedis(func(ctx context.Context, client *redis.Client) error {
		n, err = client.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Result()
		return err
	})
	return n, err
}

func pauseRedis(w *world, d time.Duration) {
	w.underWay(2 * time.Second)
	w.sleepRedis(d)
}

// sleepRedis stops Redis: connections stay open, and nothing answers.
func (w *world) sleepRedis(d time.Duration) {
	w.t.Helper()
	if err := w.redis.Pause(); err != nil {
		w.t.Fatal(err)
	}
	asking, cancel := context.WithTimeout(w.t.Context(), d/2)
	client := redis.NewClient(must(redis.ParseURL(w.redis.URL())))
	err := client.Ping(asking).Err()
	cancel()
	if cerr := client.Close(); cerr != nil {
		w.t.Error(cerr)
	}
	if err == nil {
		w.t.Error("Redis answers in its sleep")
	}
	pass(w.t, d/2)
	if err := w.redis.Resume(); err != nil {
		w.t.Fatal(err)
	}
	w.prove("Redis asleep")
}

func fillRedis(w *world) {
	w.worker()
	w.register("first", names("a", 2*batchSize)...)
	w.settled()
	w.setMaxMemory("1")
	w.register("second", names("b", 5*batchSize)...)
	err := w.askRedis(func(ctx context.Context, client *redis.Client) error {
		return client.Set(ctx, "probe", "x", time.Second).Err()
	})
	if err == nil {
		w.t.Error("Redis is not full")
	}
	pass(w.t, 3*time.Second)
	w.setMaxMemory("0")
	w.prove("Redis full")
}

func (w *world) setMaxMemory(bytes string) {
	w.t.Helper()
	if err := w.askRedis(func(ctx context.Context, client *redis.Client) error {
		return client.ConfigSet(ctx, "maxmemory", bytes).Err()
	}); err != nil {
		w.t.Fatal(err)
	}
}

func blackHoleRedis(w *world) {
	w.worker()
	w.register("order", names("a", 20*batchSize)...)
	w.toRedis.BlackHole()
	pass(w.t, 5*time.Second)
	w.proveCount("bytes to and from Redis swallowed", w.toRedis.Counts().Swallowed)
	w.toRedis.Heal()
}

// must is for what cannot fail: values of this program.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
