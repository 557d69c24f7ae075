package store_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// An order is paused while its jobs are on their way. Whoever would claim them holds them, so that the pause counts them, and its
// end lets them go on.
func TestDeliveredJobsOfAPausedOrderAreHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paused, other := b.submit(newOrder(record.Whois, "paused"), "a.nl", "b.nl").Order, b.submit(newOrder(record.Whois, "other"), "c.nl").Order
	jobs := b.fresh(record.Whois)
	if _, _, err := b.store.Holds.PauseOrder(t.Context(), paused, holds.Pause{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	claimed := b.claim(newClaim(record.Whois), jobs)
	if len(claimed.jobs) != 1 || claimed.jobs[0].OrderID != other.ID {
		t.Errorf("claimed %+v, want the other order's job alone", claimed.jobs)
	}
	for _, j := range jobs[:2] {
		b.wantState(j.ID, "held")
	}
	h, resumed, err := b.store.Holds.ResumeOrder(t.Context(), paused)
	if err != nil || !resumed || h.Jobs != 2 {
		t.Errorf("resumed %t with %d jobs, %v", resumed, h.Jobs, err)
	}
	if n, err := b.store.Holds.WakeHeld(t.Context(), "default", 10); err != nil || n != 2 {
		t.Errorf("woke %d, %v", n, err)
	}
}
