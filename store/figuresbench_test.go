package store_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// What one reading of figures costs, and one round of the bookkeeper, which keeps the totals: with 200,000 orders that ended, and 50,000
// jobs that wait in chunks of their own.
func BenchmarkFigures(b *testing.B) {
	url := pgtest.New(b, migrate)
	st, err := store.Open(b.Context(), url, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(st.Close)
	if latest, err := migrations.Latest(); err != nil || latest < 21 {
		b.Fatal(latest, err)
	}
	exec := func(sql string) {
		b.Helper()
		if _, err := st.Pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	exec(`INSERT INTO orders (source, reference, kind, lane, account, total) SELECT 's', n::text, 'whois', 'plain', 'default', 1 FROM generate_series(1, 250000) n`)
	exec(`INSERT INTO order_counts SELECT id, 'succeeded', 'taken', 1, now() FROM orders WHERE id <= 200000`)
	exec(`INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account) SELECT id, 0, 0, kind, lane, account FROM orders WHERE id > 200000`)
	exec(`INSERT INTO workers (name, lots) SELECT 'w' || n, '[{"kind": "whois", "account": "default"}]' FROM generate_series(1, 10) n`)
	exec(`ANALYZE`)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := st.Fleet.Figures(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("keep", func(b *testing.B) {
		keeper := st.Events.Bookkeeper()
		for b.Loop() {
			b.StopTimer()
			exec(`INSERT INTO order_changes (order_id, state, outcome, n) SELECT id, 'running', '', 1 FROM orders WHERE id > 200000 LIMIT 5000`)
			b.StartTimer()
			if kept, err := keeper.Round(b.Context(), 5000); err != nil || kept.Changes != 5000 {
				b.Fatal(kept, err)
			}
		}
	})
}
