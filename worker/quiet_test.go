package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// statementsPerWorker is what a worker may ask of Postgres in a second when there is nothing to do: fifty, over ten workers.
const statementsPerWorker = 5

// With many accounts and nothing to do, a worker hardly asks Postgres for anything.
func TestRestingWorkersAreQuiet(t *testing.T) {
	t.Parallel()
	const workers, accounts = 3, 50
	url := pgtest.New(t, func(ctx context.Context, url string) error {
		_, err := migrations.Up(ctx, url)
		return err
	})
	s, err := store.Open(t.Context(), url, store.Options{MaxConns: 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	redis := redistest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range workers {
		o := Options{
			Store: s, RedisURL: redis, Name: fmt.Sprint("w", i), Kinds: []queue.Kind{queue.Whois, queue.Register}, Log: zerolog.Nop(),
			Whois: Tuning{BatchSize: 100, Concurrency: 4}, Register: Tuning{BatchSize: 50, Concurrency: 2},
			UpstreamTimeout: 30 * time.Second, ReconcileChecks: 2, RetryBase: time.Second, RetryMax: time.Minute, MaxAttempts: 12, HoldInterval: time.Minute,
			Measures: Measures{Figures: func(*fleet.Figures) {}},
		}
		for a := range accounts {
			o.Accounts = append(o.Accounts, Account{Name: fmt.Sprint("account-", a)})
		}
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	count := func(query string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// statements counts what connections have told so far. Our own questions are among them.
	statements := func() int {
		return count(`SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`)
	}
	reports := func() int { return count(`SELECT count(DISTINCT seen_at) FROM workers`) }
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for reports() < workers {
		<-look.C
	}
	settled := time.Now().Add(2 * time.Second) // what they do once is done then
	for time.Now().Before(settled) {
		<-look.C
	}
	// On a busy machine they may not be at rest yet: one quiet stretch is enough.
	const limit = float64(workers * statementsPerWorker)
	for range 6 {
		before, begun := statements(), time.Now()
		for time.Since(begun) < 5*time.Second {
			<-look.C
		}
		n := float64(statements()-before) / time.Since(begun).Seconds()
		t.Logf("%d workers with %d accounts make %.1f statements a second", workers, accounts, n)
		if n <= limit {
			return
		}
	}
	t.Errorf("always more than %.0f", limit)
}
