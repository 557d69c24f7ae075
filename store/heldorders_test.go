package store_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

// Many jobs of a paused order are held. To look whether any other may go on, and to wake it, reads none of them.
func TestHeldJobsOfAPausedOrderAreNotRead(t *testing.T) {
	t.Parallel()
	const many = 20_000
	b := setup(t)
	paused := b.submit(newOrder(record.Whois, "paused"), "mine.nl").Order
	b.insertHeld(record.Whois, many)
	b.exec(`INSERT INTO order_holds (order_id, placed_by) VALUES ($1, 'ann')`, paused.ID)
	wakes := func(want bool) func(s *store.Store) {
		return func(s *store.Store) {
			standings, err := s.Holds.Standings(t.Context(), []string{"default"})
			if err != nil || len(standings) != 1 || standings[0].Wakes != want {
				t.Errorf("standings %+v, %v; want wakes %v", standings, err, want)
			}
		}
	}
	if n := b.jobsRead(wakes(false)); n > 100 {
		t.Errorf("to find nothing to wake, %d entries were read", n)
	}
	other := b.holding("other", 3)
	if n := b.jobsRead(wakes(true)); n > 100 {
		t.Errorf("to find what to wake, %d entries were read", n)
	}
	if n := b.jobsRead(func(s *store.Store) {
		if woken, err := s.Holds.WakeHeld(t.Context(), "default", 50); err != nil || woken != 3 {
			t.Errorf("woke %d, %v; want the three of the other order", woken, err)
		}
	}); n > 100 {
		t.Errorf("to wake three, %d entries were read", n)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1 AND state = 'queued'`, other.ID); n != 3 {
		t.Errorf("%d jobs of the other order wait to be delivered, want 3", n)
	}
}
