package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Two workers share one limit: between any call and the one that many later lies nearly a second.
func TestRateLimitHoldsForTheFleet(t *testing.T) {
	t.Parallel()
	const perSecond = 10
	b := setup(t, sandbox.Options{})
	for i := range 2 {
		o := b.options()
		o.Name, o.Rate = fmt.Sprint("worker ", i), perSecond
		b.work(o)
	}
	b.settled(b.submit(queue.Whois, "w", names("free", 3000)))
	checkRate(t, b.sandbox.Ledger(), perSecond)
}

// Redis goes away. Each worker keeps its share.
func TestRateLimitWithoutRedis(t *testing.T) {
	t.Parallel()
	const perSecond = 10
	b := setup(t, sandbox.Options{})
	server := redistest.Server(t)
	b.redis = server.URL()
	gate := b.sandbox.Hold(sandbox.OpWhois, sandbox.BeforeEffect)
	for i := range 2 {
		o := b.options()
		o.Name, o.Rate = fmt.Sprint("worker ", i), perSecond
		b.work(o)
	}
	order := b.submit(queue.Whois, "w", names("free", 2500))
	for range 8 { // both workers have asked Redis, and have all their calls in flight
		<-gate.Held()
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	gate.Release()
	b.until(func(s record.Summary) bool { return s.Counts[record.Succeeded] >= 1000 }, order)
	checkRate(t, b.sandbox.Ledger(), perSecond)
}

func checkRate(t *testing.T, l *sandbox.Ledger, perSecond int) {
	t.Helper()
	var at []time.Time
	for _, c := range l.Calls {
		if c.Op == sandbox.OpWhois {
			at = append(at, c.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	if len(at) < perSecond {
		t.Fatalf("only %d calls", len(at))
	}
	// Calls that were let go in time may arrive bunched, hence the half.
	for i := perSecond * 3 / 2; i < len(at); i++ {
		if d := at[i].Sub(at[i-perSecond*3/2]); d < time.Second/2 {
			t.Fatalf("%d calls within %v, with a limit of %d a second", perSecond*3/2, d, perSecond)
		}
	}
}
