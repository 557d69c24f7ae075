package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/record"
)

// BenchmarkPrune removes the jobs of one order that ended, with a call for each hundred. Time is that of one job:
//
//	go test ./store -run '^$' -bench Prune -benchtime 200000x
func BenchmarkPrune(b *testing.B) {
	url := pgtest.New(b, migrate)
	st, err := store.Open(b.Context(), url, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(st.Close)
	domains := make([]string, b.N)
	for i := range domains {
		domains[i] = fmt.Sprintf("domain-%07d.nl", i)
	}
	o, err := st.Orders.Submit(b.Context(), newOrder(record.Whois, "benchmark"), yielded(newJobs(domains...)))
	if err != nil {
		b.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE jobs SET state = 'succeeded', outcome = 'available', wake_at = NULL, finished_at = now()`,
		`DELETE FROM chunks`,
		`INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until, closed_at)
			SELECT gen_random_uuid(), 'whois', 'default', 'w', array_agg(id), ARRAY[order_id], now(), now() FROM jobs GROUP BY order_id, (seq - 1) / 100`,
		`INSERT INTO calls (id, claim_id, op, size, deadline, finished_at, status) SELECT gen_random_uuid(), id, 'whois', cardinality(job_ids), now(), now(), 200 FROM claims`,
		`INSERT INTO order_standings (order_id, completed_jobs, attention) SELECT id, total, false FROM orders`,
		`VACUUM ANALYZE jobs`,
	} {
		if _, err := st.Pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	if n, err := st.Pruning.Begin(b.Context(), pruning.Age{Kind: record.Whois, OlderThan: time.Nanosecond}, 10); err != nil || n != 1 {
		b.Fatal(n, err)
	}
	removed, longest := 0, time.Duration(0)
	b.ResetTimer()
	for more := true; more; {
		begun := time.Now()
		r, err := st.Pruning.Remove(b.Context(), 5000)
		if err != nil {
			b.Fatal(err)
		}
		removed, more, longest = removed+r.Jobs, r.More, max(longest, time.Since(begun))
	}
	if removed != o.Order.Total {
		b.Errorf("removed %d jobs of %d", removed, o.Order.Total)
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms/longest-step")
}
