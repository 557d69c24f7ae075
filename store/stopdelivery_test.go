package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"
)

// large is an order of more jobs than a cancel takes in one page.
func (b *bench) large() record.Order {
	b.t.Helper()
	return b.submit(newOrder(record.Whois, "large"), names("large", 10_001)...).Order
}

// A cancel of a large order stops its delivery before the first page, tells how far it is, and leaves nothing behind.
func TestCancelStopsDeliveryFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request(operator.Cancel)
	r.Orders = []record.Order{b.large()}
	paused := func() bool { return get[bool](b, `SELECT EXISTS (SELECT FROM order_holds)`) }
	var looked []int
	r.Looked = func(jobs int) {
		looked = append(looked, jobs)
		deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 1, time.Minute)
		if err != nil || len(deliveries) > 0 || !paused() {
			t.Errorf("after %d jobs: delivered %v, paused %v, %v", jobs, deliveries, paused(), err)
		}
	}
	b.wantReport(b.carryOut(r), 10_001, nil)
	if len(looked) != 2 || looked[0] != 10_000 || looked[1] != r.Size() || paused() {
		t.Errorf("it tells %v, paused %v", looked, paused())
	}
}

// One that is broken off leaves the order paused, and the next one ends that. A pause of a person's stays.
func TestBrokenOffCancelLeavesTheRestPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request(operator.Cancel)
	r.Orders = []record.Order{b.large()}
	ctx, cancel := context.WithCancel(t.Context())
	r.Looked = func(int) { cancel() }
	report, err := b.store.Operator.CarryOut(ctx, r)
	if err == nil || report.Changed() != 10_000 || len(report.Paused) != 1 || get[int](b, `SELECT count(*)::int FROM order_holds`) != 1 {
		t.Errorf("broken off: %v, %+v", err, report)
	}
	r.Looked = nil
	if b.carryOut(r); get[int](b, `SELECT count(*)::int FROM order_holds`) != 0 {
		t.Error("the second cancel leaves it paused")
	}
	if _, _, err := b.store.Holds.PauseOrder(t.Context(), r.Orders[0], holds.Pause{By: "joe", Words: "look first"}); err != nil {
		t.Fatal(err)
	}
	if b.carryOut(r); get[int](b, `SELECT count(*)::int FROM order_holds`) != 1 {
		t.Error("the cancel ended the pause of a person")
	}
}
