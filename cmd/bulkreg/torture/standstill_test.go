package torture

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker"
)

// standstills stop all work for a while, from outside. It goes on by itself, and nothing has ended meanwhile that should not.
func standstills() []scenario {
	broken := expectation{redelivered: true}
	return []scenario{
		{
			name: "upstream refuses connections while jobs wait", run: func(w *world) { upstreamAway(w, 5*time.Second) },
			needs: needs{settings: map[string]string{"MAX_ATTEMPTS": "3"}},
		},
		{
			name: "upstream refuses connections for a minute while jobs wait", run: func(w *world) { upstreamAway(w, time.Minute) },
			needs: needs{settings: map[string]string{"MAX_ATTEMPTS": "3"}},
		},
		{name: "Redis takes no writes: OOM", run: func(w *world) { redisTakesNoWrites(w, "OOM") }, want: broken},
		{name: "Redis takes no writes: READONLY", quick: true, run: func(w *world) { redisTakesNoWrites(w, "READONLY") }, want: broken},
		{name: "Redis takes no writes: NOREPLICAS", run: func(w *world) { redisTakesNoWrites(w, "NOREPLICAS") }, want: broken},
		{name: "queues paused from outside", run: pauseQueues},
		{name: "no worker at all for longer than a lease", run: noWorker, want: broken},
		{
			name: "an order that overlaps one whose jobs are ending", quick: true, run: overlap,
			want: expectation{outcome: func(string) record.Outcome { return record.Duplicate }},
		},
		{
			name: "ten domains of two holders refused in the same words, with good ones behind", run: refusedInOneVoice,
			needs: needs{settings: map[string]string{"REGISTER_LINGER": "1s"}},
		},
	}
}

// The outage is the upstream's: no job may end exhausted by it, however few attempts it has.
func upstreamAway(w *world, d time.Duration) {
	w.worker()
	w.register("first", names("f", batchSize)...)
	w.settled()
	w.toUpstream.Refuse()
	w.register("order", names("a", 20*batchSize)...)
	w.order(queue.Whois, "checks", names("w", 200)...)
	w.held(holds.Outage)
	before := w.toUpstream.Counts().Refused
	pass(w.t, d)
	w.proveCount("upstream away while jobs wait", w.toUpstream.Counts().Refused-before)
	exhausted, err := w.sql(`SELECT count(*) FROM jobs WHERE outcome = 'exhausted'`)
	if err != nil || exhausted > 0 {
		w.t.Errorf("%d jobs are exhausted, %v", exhausted, err)
	}
	// Probes are apart. Each may ask for a token and repeat what was refused at once.
	if most := 4 * (int(d/probeInterval) + 2); w.toUpstream.Counts().Refused-before > most {
		w.t.Errorf("I11: %d connections in %v of a hold", w.toUpstream.Counts().Refused-before, d)
	}
	w.toUpstream.Heal()
	w.settled()
}

// redisCommand is a command of Redis, word by word.
type redisCommand []any

// writes are the commands after which Redis refuses all writes, and those that end that, by what it then says.
func writes() (stop, allow map[string]redisCommand) {
	return map[string]redisCommand{
			"OOM": {"CONFIG", "SET", "maxmemory", "1"}, "READONLY": {"REPLICAOF", "127.0.0.1", "1"},
			"NOREPLICAS": {"CONFIG", "SET", "min-replicas-to-write", "1"},
		}, map[string]redisCommand{
			"OOM": {"CONFIG", "SET", "maxmemory", "0"}, "READONLY": {"REPLICAOF", "NO", "ONE"},
			"NOREPLICAS": {"CONFIG", "SET", "min-replicas-to-write", "0"},
		}
}

// redisTakesNoWrites lets Redis answer everything that writes with an error, while it reads as ever.
func redisTakesNoWrites(w *world, says string) {
	w.worker()
	w.register("first", names("a", 2*batchSize)...)
	w.order(queue.Whois, "checks", names("w", 60)...)
	stop, allow := writes()
	w.redisDo(stop[says])
	err := w.askRedis(func(ctx context.Context, client *redis.Client) error {
		return client.Set(ctx, "probe", "x", time.Second).Err()
	})
	if err == nil || !strings.HasPrefix(err.Error(), says) {
		w.t.Errorf("I12: Redis says %v, want %s", err, says)
	}
	w.register("second", names("b", 5*batchSize)...)
	pass(w.t, 4*time.Second)
	w.redisDo(allow[says])
	w.prove("Redis takes no writes: " + says)
	w.settled()
}

func (w *world) redisDo(command redisCommand) {
	w.t.Helper()
	if err := w.askRedis(func(ctx context.Context, client *redis.Client) error { return client.Do(ctx, command...).Err() }); err != nil {
		w.t.Fatal(err)
	}
}

// Somebody pauses every queue with Asynq's own tools.
func pauseQueues(w *world) {
	w.worker()
	w.register("first", names("f", batchSize)...)
	w.order(queue.Whois, "checks", names("w", 20)...)
	w.settled()
	paused := w.pauseQueues(true)
	pass(w.t, time.Second) // what was being taken has been taken
	before := w.calls()
	w.register("order", names("a", 5*batchSize)...)
	pass(w.t, 3*time.Second)
	if after := w.calls(); after > before {
		w.t.Errorf("I12: %d calls while the queues were paused", after-before)
	}
	w.proveCount("queues paused from outside", paused)
	w.pauseQueues(false)
	w.settled()
}

// pauseQueues pauses every queue that Asynq knows, or lets all go on, and returns how many those are.
func (w *world) pauseQueues(on bool) (n int) {
	w.t.Helper()
	if err := w.askRedis(func(ctx context.Context, client *redis.Client) error {
		queues, err := client.SMembers(ctx, "asynq:queues").Result()
		for _, q := range queues {
			key := "asynq:{" + q + "}:paused"
			if on {
				err = errors.Join(err, client.Set(ctx, key, time.Now().Unix(), 0).Err())
			} else {
				err = errors.Join(err, client.Del(ctx, key).Err())
			}
		}
		n = len(queues)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// The last worker dies with work in its hands, and nobody is there until its lease is long over.
func noWorker(w *world) {
	last := w.worker("CRASH_AT=" + string(worker.StepClaimed))
	w.register("order", names("a", 5*batchSize)...)
	w.crashed(last, "the last worker killed")
	pass(w.t, lease+5*time.Second)
	w.order(queue.Whois, "checks", names("w", 60)...)
	if n := len(w.workers()); n > 0 {
		w.t.Errorf("I12: %d workers", n)
	}
	w.prove("no worker at all for longer than a lease")
	since := time.Now()
	w.worker()
	w.settledBy(since, 15*time.Second)
}

// An order system repeats parts of an order under other names, while its jobs end.
func overlap(w *world) {
	w.worker()
	domains := names("a", 20*batchSize)
	first := w.register("first", domains...)
	overlapping := 0
	for n := 0; w.unfinished(first) > 0; n++ {
		w.register(fmt.Sprint("overlapping ", n), append(names(fmt.Sprint("b", n), 3), domains[n%10*20:n%10*20+20]...)...)
		if left := w.unfinished(first); left > 0 && left < len(domains) {
			overlapping++
		}
		pass(w.t, 50*time.Millisecond)
	}
	w.settled()
	w.proveCount("orders that overlap one whose jobs are ending", overlapping)
}

// Two customers order what the registrar refuses. Everybody else's domains come after theirs, and must be registered.
func refusedInOneVoice(w *world) {
	w.registerFor("H-1", "first", names("refused-a", batchSize/2)...)
	w.registerFor("H-2", "second", names("refused-b", batchSize/2)...)
	p := w.worker()
	w.held(holds.Contract)
	w.register("good", names("good", 5*batchSize)...)
	w.settled()
	if n, err := w.sql(`SELECT count(*) FROM holds`); err != nil || n > 0 {
		w.t.Errorf("%d holds stand, %v", n, err)
	}
	w.proveCount("refused in the same words, and a hold for it", strings.Count(p.said(w.t), holdLine(holds.Contract)))
}

// registerFor orders registrations for a holder.
func (w *world) registerFor(holder, reference string, domains ...string) {
	w.t.Helper()
	reader, err := input.FromArgs(domains, input.Options{Kind: string(queue.Register), DefaultHolderID: holder})
	if err != nil {
		w.t.Fatal(err)
	}
	order, err := w.take(w.t.Context(), "default", queue.Register, reference, reader)
	if err != nil {
		w.t.Fatal(err)
	}
	w.orders = append(w.orders, order)
}
