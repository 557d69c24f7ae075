package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// BenchmarkFeed has eight writers write N events in transactions of all sizes, which commit in any order, while two bookkeepers work and a
// reader follows the log. It fails where the reader misses an event, or gets one twice or out of order:
//
//	go test ./store -run '^$' -bench Feed -benchtime 1000000x
func BenchmarkFeed(b *testing.B) {
	const writers, most = 8, 400
	url := pgtest.New(b, migrate)
	st, err := store.Open(b.Context(), url, store.Options{MaxConns: writers + 4})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(st.Close)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var books errgroup.Group
	for range 2 {
		keeper := st.Events.Bookkeeper()
		books.Go(func() error {
			for ctx.Err() == nil {
				if kept, err := keeper.Round(ctx, 5000); err != nil && ctx.Err() == nil {
					return err
				} else if kept.Events == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			return nil
		})
	}
	var next atomic.Int64
	writing, writeCtx := errgroup.WithContext(ctx)
	b.ResetTimer()
	for range writers {
		writing.Go(func() error {
			for {
				n := int64(1 + rand.IntN(most))
				end := next.Add(n)
				first, last := end-n, min(end, int64(b.N))
				if first >= last {
					return nil
				}
				if err := writeEvents(writeCtx, st, first, last); err != nil {
					return err
				}
			}
		})
	}
	seen := make([]bool, b.N)
	read, after := 0, int64(0)
	for read < b.N {
		page, err := st.Events.Since(ctx, events.Filter{After: after, Limit: 1000})
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range page {
			var n int
			if _, err := fmt.Sscanf(string(e.Data), `{"n": %d}`, &n); err != nil || seen[n] || e.ID <= after {
				b.Fatalf("event %d after %d: %s, seen %t, %v", e.ID, after, e.Data, seen[n], err)
			}
			seen[n], after = true, e.ID
			read++
		}
	}
	b.StopTimer()
	if err := writing.Wait(); err != nil {
		b.Fatal(err)
	}
	stop()
	if err := books.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
}

// writeEvents writes the events first to last in one transaction, which may take a while.
func writeEvents(ctx context.Context, st *store.Store, first, last int64) error {
	return pgx.BeginFunc(ctx, st.Pool, func(tx pgx.Tx) error {
		half := first + (last-first)/2
		for _, part := range [][2]int64{{first, half}, {half, last}} {
			if _, err := tx.Exec(ctx, `
				INSERT INTO new_events (type, account, data) SELECT 'hold.placed', 'default', jsonb_build_object('n', n) FROM generate_series($1::bigint, $2::bigint - 1) AS n`,
				part[0], part[1]); err != nil {
				return err
			}
			if rand.IntN(20) == 0 {
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			}
		}
		return nil
	})
}
