package worker

import (
	"context"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// countedChecks is an upstream that counts the checks it is asked for.
type countedChecks struct {
	Upstream
	n int
}

func (c *countedChecks) CheckBulk(context.Context, []string, ...registrar.Holder) (registrar.CheckReply, error) {
	c.n++
	return registrar.CheckReply{}, nil
}

// A worker is told to stop while the row of a call is being written, with its permit in hand. The call is not made.
func TestStoppingWhileACallIsWritten(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, func(ctx context.Context, url string) error {
		_, err := migrations.Up(ctx, url)
		return err
	})
	st, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	up := &countedChecks{}
	o, err := Options{
		Store: st, Accounts: []Account{{Name: "default", Upstream: up}}, Kinds: []queue.Kind{queue.Whois}, Log: zerolog.Nop(),
		Whois: Tuning{BatchSize: 10, Concurrency: 1}, Register: Tuning{BatchSize: 10, Concurrency: 1},
		UpstreamTimeout: time.Second, ReconcileChecks: 1, RetryBase: time.Second, RetryMax: time.Second, MaxAttempts: 2, HoldInterval: time.Minute,
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{options: o}
	w.addPipelines()
	p := w.pipelines[0]
	n := orders.NewOrder{Source: "s", Reference: "r", Kind: record.Whois, Lane: record.Plain, Account: "default", ChunkSize: 1}
	_, err = st.Orders.Submit(t.Context(), n, func(yield func(orders.NewJob, error) bool) { yield(orders.NewJob{ID: uuid.New(), Domain: "a.nl"}, nil) })
	if err != nil {
		t.Fatal(err)
	}
	deliveries, err := st.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default"}, 1, time.Minute)
	if err != nil || len(deliveries) != 1 {
		t.Fatal(deliveries, err)
	}
	b := batch{claim: newID()}
	b.jobs, err = st.Ledger.Claim(t.Context(), ledger.Claim{ID: b.claim, Kind: record.Whois, Account: "default", Worker: "w", Lease: time.Minute}, deliveries[0].Jobs)
	if err != nil || len(b.jobs) != 1 {
		t.Fatal(b.jobs, err)
	}
	permit, err := p.pass(t.Context(), b, record.OpWhois)
	if err != nil {
		t.Fatal(err)
	}
	defer permit.Release()
	p.standing.gate.Close()
	if _, _, ok := p.checkWith(t.Context(), b, record.OpWhois, permit); ok || up.n != 0 {
		t.Errorf("called %d times, %t", up.n, ok)
	}
	_, calls, err := st.Orders.FindJob(t.Context(), b.jobs[0].ID)
	if err != nil || len(calls) != 1 || calls[0].FinishedAt.IsZero() || calls[0].Error != errStopping.Error() {
		t.Errorf("on record: %+v, %v", calls, err)
	}
}
