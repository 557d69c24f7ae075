package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Figures is what was measured in a row. Times are in seconds, from before the input of an order is read until its
// last job is final.
type Figures struct {
	Row       string  `json:"row"`
	Kind      string  `json:"kind"`
	Domains   int     `json:"domains"`
	LatencyMS float64 `json:"latency_ms"` // of a call
	Limit     float64 `json:"limit_per_second,omitempty"`

	Order *OrderFigures `json:"order,omitempty"` // of the rows that measure one order
	Alone *AloneFigures `json:"alone,omitempty"` // of the row that measures orders of one domain
	Door  *DoorFigures  `json:"door,omitempty"`  // of the row that measures the HTTP API

	RedisPeak  int64 `json:"redis_peak_bytes"`  // above an idle one
	WorkerPeak int64 `json:"worker_peak_bytes"` // resident; of the row that measures the HTTP API, the API's
}

// OrderFigures is how fast one order went.
type OrderFigures struct {
	Seconds       float64 `json:"seconds"`
	SubmitSeconds float64 `json:"submit_seconds"` // the part until the order was stored
	Rate          float64 `json:"domains_per_second"`
	Share         float64 `json:"share_of_limit,omitempty"` // from when the order was stored
	Calls         int     `json:"calls"`
	Checks        int     `json:"checks_before_registration,omitempty"` // WHOIS calls
	PerCall       float64 `json:"domains_per_call"`
}

// AloneFigures is how long orders of one domain took while the row's domains were worked on.
type AloneFigures struct {
	Seconds []float64 `json:"seconds"`
	Median  float64   `json:"median_seconds"`
	Worst   float64   `json:"worst_seconds"`
}

// figures measures a row that is prepared, and ends its worker.
func (b *Bed) figures(ctx context.Context) (Figures, error) {
	f := Figures{
		Row: b.row.Name, Kind: string(b.row.kind), Domains: b.row.domains,
		LatencyMS: float64(b.row.latency) / float64(time.Millisecond), Limit: b.row.limit(),
	}
	if b.door != nil {
		var err error
		f.Door, err = b.door.accept(ctx, b.row.door)
		err = errors.Join(err, b.door.program.stop())
		f.WorkerPeak = b.door.program.peak
		return f, err
	}
	watch, err := watchRedis(ctx, b.redis.URL())
	if err != nil {
		return f, err
	}
	if b.row.alone > 0 {
		f.Alone, err = b.alone(ctx)
	} else {
		f.Order, err = b.throughput(ctx)
	}
	var watchErr error
	f.RedisPeak, watchErr = watch.end()
	if err := errors.Join(err, watchErr, b.worker.stop()); err != nil {
		return f, err
	}
	f.WorkerPeak = b.worker.peak
	return f, nil
}

func (b *Bed) throughput(ctx context.Context) (*OrderFigures, error) {
	before, err := b.ledgers.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	order, err := b.submit(ctx, "order", b.row.domains)
	submitted := time.Since(began)
	if err != nil {
		return nil, err
	}
	sum, err := b.await(ctx, order)
	if err != nil {
		return nil, err
	}
	after, err := b.ledgers.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	took := sum.FinishedAt.Sub(began).Seconds()
	t := &OrderFigures{Seconds: took, SubmitSeconds: submitted.Seconds(), Rate: float64(sum.Total) / took}
	if limit := b.row.limit(); limit > 0 {
		// The limit is that of the calls, and there is nothing to call for before the order is stored.
		t.Share = float64(sum.Total) / (took - t.SubmitSeconds) / limit
	}
	var domains int
	t.Calls, domains = callsBetween(before, after, b.row.op())
	if b.row.op() == sandbox.OpRegister {
		t.Checks, _ = callsBetween(before, after, sandbox.OpWhois)
	}
	if t.Calls > 0 {
		t.PerCall = float64(domains) / float64(t.Calls)
	}
	return t, nil
}

// callsBetween counts the calls that one ledger has more than another, and the domains or people in them.
func callsBetween(before, after *sandbox.Ledger, op sandbox.Op) (calls, domains int) {
	if op == sandbox.OpToken { // no bulk call
		calls = after.Counts[op] - before.Counts[op]
		return calls, calls
	}
	for size, n := range after.BatchSizes[op] {
		n -= before.BatchSizes[op][size]
		calls += n
		domains += n * size
	}
	return calls, domains
}

// alone submits a large order and then, once it is being worked on, orders of one domain.
func (b *Bed) alone(ctx context.Context) (*AloneFigures, error) {
	large, err := b.submit(ctx, "large", b.row.domains)
	if err != nil {
		return nil, err
	}
	if err := b.awaitFirst(ctx, large); err != nil {
		return nil, err
	}
	f := &AloneFigures{}
	for i := range b.row.alone {
		// What was submitted in time counts, however long it takes: an order that gets stuck must show.
		over, err := b.lastEnded(ctx, large)
		if err != nil {
			return nil, err
		}
		if over {
			break
		}
		began := time.Now()
		order, err := b.submit(ctx, fmt.Sprintf("alone-%d", i+1), 1)
		if err != nil {
			return nil, err
		}
		sum, err := b.await(ctx, order)
		if err != nil {
			return nil, err
		}
		f.Seconds = append(f.Seconds, sum.FinishedAt.Sub(began).Seconds())
	}
	if len(f.Seconds) == 0 {
		return nil, fmt.Errorf("the order of %s domains was done too soon: give more --seconds", term.Thousands(large.Total))
	}
	f.Median, f.Worst = medianOf(f.Seconds), slices.Max(f.Seconds)
	return f, nil
}

// awaitFirst waits until the first job of an order has ended.
func (b *Bed) awaitFirst(ctx context.Context, o record.Order) error {
	const look = 20 * time.Millisecond
	for {
		for job, err := range b.store.Orders.Jobs(ctx, o.ID, orders.JobFilter{Limit: 1}) {
			if err != nil || !job.FinishedAt.IsZero() {
				return err
			}
		}
		if err := b.pause(ctx, look); err != nil {
			return fmt.Errorf("wait for the first job of order %s: %w", o.Reference, err)
		}
	}
}

// medianOf is the lower one of the two in the middle where there are two. It needs one value at least.
func medianOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
