package torture

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// frozen let a transaction stand still that holds the locks of rows: its worker has lost its power or its network, or its machine is
// frozen. Others take over all the same, and what stood still changes nothing when it wakes up.
func frozen() []scenario {
	again := expectation{redelivered: true}
	return []scenario{
		{name: "a transaction frozen at the intent", run: freezeIntent, want: again},
		{name: "a transaction frozen at the intent, its worker alive", run: freezeIntentAlive},
		{name: "a transaction frozen at the rescue", run: freezeRescue, want: again},
		{name: "a transaction frozen at the release", run: freezeRelease, want: again},
		{name: "a transaction frozen at the probe", run: freezeProbe, needs: needs{sandbox: []string{"--balance", "0"}}, want: again},
		{name: "a transaction frozen at a submit", run: freezeSubmit},
		{name: "a transaction frozen at a producer's chunk", run: freezeAdoption, want: again},
		{name: "a foreign transaction frozen on a claim and its jobs", run: freezeForeign, want: again},
	}
}

// freezes waits until a transaction stands still in Postgres itself, which is the fault.
func (w *world) freezes(fault string) {
	w.t.Helper()
	w.await("a transaction stands still", func() (bool, error) {
		n, err := w.sql(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
			AND state_change < clock_timestamp() - interval '300 ms'`)
		return w.toDatabase.Counts().Frozen > 0 && n > 0, err
	})
	w.prove(fault)
}

// powerless ends a worker whose transaction stands still. Postgres does not hear of it.
func (w *world) powerless(p *process) {
	w.t.Helper()
	w.signal(p, syscall.SIGKILL)
	w.ended(p)
}

func freezeIntent(w *world) {
	w.toDatabase.Freeze(intentStatement)
	first := w.workerOf("register")
	w.register("order", names("a", 2*batchSize)...)
	w.freezes("a transaction frozen at the intent")
	w.powerless(first)
	w.worker()
	w.settled()
	w.toDatabase.Heal()
}

// The worker lives: it must let go, and neither send nor keep what it does not know to be committed.
func freezeIntentAlive(w *world) {
	w.toDatabase.Freeze(intentStatement)
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.freezes("a transaction frozen at the intent, its worker alive")
	w.settled()
	w.toDatabase.Heal()
}

// Who takes back what a dead worker held dies itself while it does so.
func freezeRescue(w *world) {
	dead := w.workerOf("register", "CRASH_AT="+string(worker.StepIntended))
	w.register("order", names("a", batchSize)...)
	w.crashed(dead, "worker killed at intended")
	w.toDatabase.Freeze("UPDATE claims c SET closed_at = now() FROM expired")
	rescuer := w.workerOf("whois")
	w.freezes("a transaction frozen at the rescue")
	w.powerless(rescuer)
	w.worker()
	w.settled()
	w.toDatabase.Heal()
}

// A worker that stops gives back what it has not sent, and dies while it does so.
func freezeRelease(w *world) {
	w.settings["REGISTER_CONCURRENCY"], w.settings["UPSTREAM_TIMEOUT"] = "1", "4s"
	fired := w.slowRegister(2 * time.Second)
	first := w.workerOf("register")
	w.register("order", names("a", 4*batchSize)...)
	w.hit(fired)
	w.await("batches wait for a slot", func() (bool, error) {
		n, err := w.waits()
		return n > 0, err
	})
	w.toDatabase.Freeze("SET state = 'retrying', wake_at = now() + make_interval(secs => $2)")
	w.signal(first, syscall.SIGTERM)
	w.freezes("a transaction frozen at the release")
	w.await("the call in flight is answered", func() (bool, error) {
		ledger, err := w.remote.Ledger(w.t.Context())
		return err == nil && slices.ContainsFunc(ledger.Calls, func(c sandbox.Call) bool {
			return c.Op == sandbox.OpRegister && c.Status != 0
		}), err
	})
	pass(w.t, 2*time.Second) // the reply is written down before the worker dies
	w.powerless(first)
	w.worker()
	w.settled()
	w.toDatabase.Heal()
}

func freezeProbe(w *world) {
	first := w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.held(holds.Payment)
	w.toDatabase.Freeze("UPDATE holds SET probe_id")
	w.freezes("a transaction frozen at the probe")
	w.powerless(first)
	w.fund(1 << 20)
	w.worker()
	w.settled()
	w.toDatabase.Heal()
}

func freezeSubmit(w *world) {
	domains := names("a", 3*batchSize)
	w.toDatabase.Freeze("INSERT INTO orders")
	w.worker()
	first := w.enqueue(domains)
	w.freezes("a transaction frozen at a submit")
	w.signal(first, syscall.SIGKILL)
	w.ended(first)
	w.enqueueAgain(domains)
	w.settled()
	w.toDatabase.Heal()
}

func freezeAdoption(w *world) {
	w.toDatabase.Freeze("INSERT INTO orders")
	first := w.workerOf("register")
	w.produce(queue.Register, "own", names("p", batchSize))
	w.freezes("a transaction frozen at a producer's chunk")
	w.powerless(first)
	w.worker()
	w.produce(queue.Register, "own", names("q", batchSize))
	w.patience = 4 * time.Minute // Asynq gives a dead worker's task to another after up to two
	w.adopted("own")
	w.settled()
	w.toDatabase.Heal()
}

// A session that calls itself ours, and asked for no end of itself, holds what a dead worker claimed.
func freezeForeign(w *world) {
	dead := w.workerOf("register", "CRASH_AT="+string(worker.StepClaimed))
	w.register("order", names("a", batchSize)...)
	w.crashed(dead, "worker killed at claimed")
	conn, err := w.connect()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := conn.Exec(w.t.Context(), `SET application_name = 'bulkreg'; BEGIN;
		SELECT FROM jobs FOR UPDATE; UPDATE claims SET lease_until = lease_until`); err != nil {
		w.t.Fatal(err)
	}
	w.worker()
	w.settled()
	asking, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := conn.Ping(asking); err == nil {
		w.t.Error("I12: the session was not in the way: it lives")
	}
	w.disconnect(conn)
	w.prove("a foreign transaction frozen on a claim and its jobs")
}
