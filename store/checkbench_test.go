package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/record"
)

// BenchmarkCheck is what the ledger takes of a WHOIS check, in batches of a hundred: its claim, the start of its call, and what it came to.
// Time is that of one job, on one connection:
//
//	go test ./store -run '^$' -bench Check -benchtime 100000x
func BenchmarkCheck(b *testing.B) {
	const size = 100
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
	n := newOrder(record.Whois, "benchmark")
	n.ChunkSize = size
	if _, err := st.Orders.Submit(b.Context(), n, yielded(newJobs(domains...))); err != nil {
		b.Fatal(err)
	}
	lot := delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default"}
	var took [3]time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; {
		b.StopTimer()
		taken, err := st.Delivery.TakeUndelivered(b.Context(), lot, 1, time.Hour)
		if err != nil || len(taken) == 0 {
			b.Fatal(taken, err)
		}
		b.StartTimer()
		t0 := time.Now()
		claim := newClaim(record.Whois)
		jobs, err := st.Ledger.Claim(b.Context(), claim, delivered(taken))
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		call := newCall(claim.ID, record.OpCheck)
		if err := st.Ledger.StartCall(b.Context(), call); err != nil {
			b.Fatal(err)
		}
		t2 := time.Now()
		transitions := make([]ledger.Transition, len(jobs))
		for i, j := range jobs {
			transitions[i] = ledger.Succeed(j.ID, record.Available)
		}
		settled, err := st.Ledger.Settle(b.Context(), claim.ID, ledger.CallResult{ID: call.ID, Status: 200}, transitions)
		if err != nil || settled != len(jobs) {
			b.Fatal(settled, err)
		}
		t3 := time.Now()
		took[0] += t1.Sub(t0)
		took[1] += t2.Sub(t1)
		took[2] += t3.Sub(t2)
		done += settled
	}
	for i, name := range []string{"claim", "start", "settle"} {
		b.ReportMetric(float64(took[i].Microseconds())/float64(b.N), "µs/"+name)
	}
}
