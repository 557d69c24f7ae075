package torture

import (
	"context"
	"time"
)

// The statements by which the proxy knows a transaction.
const (
	claimStatement  = "INSERT INTO claims"
	intentStatement = "INSERT INTO attempts"
	settleStatement = "r.attempt"
)

// databaseFaults take Postgres away, or its answers. A reply that has come waits for Postgres, and is settled.
func databaseFaults() []scenario {
	patient := map[string]string{"UPSTREAM_TIMEOUT": "5s"}
	return []scenario{
		{
			name: "Postgres restarted between send and settle", quick: true,
			needs: needs{ownDatabase: true, settings: patient}, run: restartPostgres,
		},
		{
			name: "backends terminated", run: terminateBackends, needs: needs{settings: patient},
			want: expectation{unconfirmed: 0, redelivered: true},
		},
		{
			name: "COMMIT's reply dropped at claim", run: func(w *world) { dropCommit(w, "claim", claimStatement) },
		},
		{
			name: "COMMIT's reply dropped at intent", quick: true, run: func(w *world) { dropCommit(w, "intent", intentStatement) },
		},
		{
			name: "COMMIT's reply dropped at settle", run: func(w *world) { dropCommit(w, "settle", settleStatement) },
		},
		{
			name: "Postgres away while replies arrive", needs: needs{settings: patient},
			run: func(w *world) { postgresAway(w, 3*time.Second) },
		},
		{
			name: "Postgres away for minutes while replies arrive", needs: needs{settings: patient},
			run: func(w *world) { postgresAway(w, 130*time.Second) },
		},
		{
			name: "Postgres a black hole while replies arrive", needs: needs{settings: patient}, run: postgresBlackHole,
		},
	}
}

func restartPostgres(w *world) {
	fired := w.slowRegister(1500 * time.Millisecond)
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.killPostgres()
}

// killPostgres ends Postgres as a crash would, and starts it again.
func (w *world) killPostgres() {
	w.t.Helper()
	gone := w.server.Done()
	if err := w.server.Kill(); err != nil {
		w.t.Fatal(err)
	}
	<-gone
	if err := w.server.Restart(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.prove("Postgres killed and restarted")
}

func terminateBackends(w *world) {
	w.worker()
	w.worker()
	w.register("order", names("a", 40*batchSize)...)
	w.endBackends(3 * time.Second)
}

// endBackends ends the workers' connections inside of Postgres, every 100 ms.
func (w *world) endBackends(d time.Duration) {
	w.t.Helper()
	terminated := 0
	for end := time.Now().Add(d); time.Now().Before(end); {
		// The scenario's own store has connections of that name as well: its pool replaces them.
		n, err := w.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'bulkreg'`)
		if err != nil {
			w.t.Fatal(err)
		}
		terminated += n
		pass(w.t, 100*time.Millisecond)
	}
	w.proveCount("backends terminated", terminated)
}

func dropCommit(w *world, at, statement string) {
	w.toDatabase.DropCommit(statement)
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.settled()
	w.proveCount("reply to a COMMIT dropped at "+at, w.toDatabase.Counts().Dropped)
}

func postgresAway(w *world, d time.Duration) {
	fired := w.slowRegister(time.Second)
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	before := w.toDatabase.Counts().Refused
	w.toDatabase.Refuse()
	pass(w.t, d)
	w.proveCount("connections to Postgres refused", w.toDatabase.Counts().Refused-before)
	w.answered("a-0000.nl")
	w.toDatabase.Heal()
}

func postgresBlackHole(w *world) {
	fired := w.slowRegister(time.Second)
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.toDatabase.BlackHole()
	pass(w.t, 4*time.Second)
	w.proveCount("bytes to and from Postgres swallowed", w.toDatabase.Counts().Swallowed)
	w.toDatabase.Heal()
}

// answered waits until the upstream has answered a registration of a domain.
func (w *world) answered(domain string) {
	w.t.Helper()
	w.await(domain+" is answered", func() (bool, error) {
		asking, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		ledger, err := w.remote.Ledger(asking)
		if err != nil {
			return false, err
		}
		for _, r := range ledger.Sends(domain) {
			for _, c := range ledger.Calls {
				if c.Seq == r.Call && c.Status != 0 {
					return true, nil
				}
			}
		}
		return false, nil
	})
}
