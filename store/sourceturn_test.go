package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/store"
)

// of submits an order of a source, of so many chunks of one job each.
func (b *bench) of(source, reference string, chunks int) record.Order {
	b.t.Helper()
	n := newOrder(record.Whois, reference)
	n.Source, n.ChunkSize = source, 1
	return b.submit(n, names(source+"-"+reference, chunks)...).Order
}

// A source that submits order after order waits for its turn like one that submits one.
func TestSourcesTakeTurns(t *testing.T) {
	t.Parallel()
	for _, remembered := range []bool{false, true} {
		t.Run(fmt.Sprintf("remembered %v", remembered), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for i := range 40 {
				b.of("flood", fmt.Sprint("f", i), 1)
			}
			b.of("shop", "s", 6)
			lot := lotOf(record.Whois)
			if remembered {
				lot.Turns = &delivery.Turns{}
			}
			took := map[string]int{}
			for range 6 { // one at a time
				for _, d := range b.take(&lot, 1) {
					took[d.Source]++
				}
			}
			if took["flood"] != 3 || took["shop"] != 3 {
				t.Errorf("took %v one at a time, want three of each", took)
			}
			b.of("late", "l", 1)
			clear(took)
			for _, d := range b.take(&lot, 9) {
				took[d.Source]++
			}
			if diff := cmp.Diff(map[string]int{"flood": 5, "shop": 3, "late": 1}, took); diff != "" {
				t.Errorf("nine at once (-want +got):\n%s", diff)
			}
		})
	}
}

func (b *bench) take(lot *delivery.Lot, limit int) []record.Delivery {
	b.t.Helper()
	deliveries, err := b.store.Delivery.TakeUndelivered(b.t.Context(), *lot, limit, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(deliveries) > limit {
		b.t.Errorf("took %d of %d", len(deliveries), limit)
	}
	if n := len(deliveries); n > 0 {
		lot.After = deliveries[n-1].OrderID
		lot.Turns.Took(deliveries)
	}
	return deliveries
}

// The orders of each source take turns among themselves, whatever the other sources' orders are in between.
func TestOrdersTakeTurnsWithinTheirSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.of("shop", "large", 20)
	for i := range 20 {
		b.of("flood", fmt.Sprint("f", i), 1)
	}
	b.of("shop", "a", 2)
	b.of("shop", "b", 1)
	lot := lotOf(record.Whois)
	lot.Turns = &delivery.Turns{}
	var got []string
	for range 10 {
		for _, d := range b.take(&lot, 1) {
			if d.Source == "shop" {
				got = append(got, d.Reference)
			}
		}
	}
	if diff := cmp.Diff(strings.Fields("large a b large a"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// In a delivery of many, the first of each source stand first: they are handed over in this order.
func TestFirstOfEachSourceFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, source := range []string{"x", "y", "z"} {
		b.of(source, "o", 5)
	}
	lot, first := lotOf(record.Whois), map[string]bool{}
	b.of("x", "p", 5)
	for _, d := range b.take(&lot, 9)[:3] {
		first[d.Source] = true
	}
	if len(first) != 3 {
		t.Errorf("the first three are of %v", first)
	}
}

// A source whose orders are paused, all of them, takes nobody's turn.
func TestPausedSourcesTakeNoTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 10 {
		for range 2 {
			b.pauseOrder(b.of(fmt.Sprint("paused", i), newID().String(), 2))
		}
	}
	b.of("shop", "s", 5)
	lot := lotOf(record.Whois)
	if got := b.take(&lot, 4); len(got) != 4 {
		t.Errorf("took %d of 4", len(got))
	}
}

// Jobs that are due one by one take their sources' turns too, and the longest overdue of each go first.
func TestSourcesTakeTurnsWithWhatIsDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	flood, shop := b.of("flood", "f", 300), b.of("shop", "s", 2)
	idle := b.of("idle", "i", 3)
	b.exec(`UPDATE jobs SET wake_at = now() - make_interval(secs => 1000 - seq) WHERE order_id = $1`, flood.ID)
	b.exec(`UPDATE jobs SET wake_at = now() - make_interval(secs => 10 - seq) WHERE order_id = $1`, shop.ID)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE order_id = $1`, idle.ID)
	for range 3 {
		deliveries, err := b.store.Delivery.TakeDue(t.Context(), lotOf(record.Whois), 10, 100, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(delivered(deliveries)); n != 10 {
			t.Errorf("took %d of 10", n)
		}
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1 AND epoch = 1`, shop.ID); n != 2 {
		t.Errorf("%d jobs of the other source among the first 30 of 302", n)
	}
	if n := get[int](b, `SELECT max(seq) FROM jobs WHERE order_id = $1 AND epoch = 1`, flood.ID); n != 28 {
		t.Errorf("the flood's jobs up to %d were taken, want the 28 that wait longest", n)
	}
}

// Of more sources than are looked at, each comes up in the end.
func TestManySourcesWithDueJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 12 {
		b.of(fmt.Sprint("s", i), "o", 1)
	}
	b.exec(`UPDATE jobs SET wake_at = now()`)
	for range 4 {
		if _, err := b.store.Delivery.TakeDue(t.Context(), lotOf(record.Whois), 3, 100, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE epoch = 0`); n != 0 {
		t.Errorf("%d were left", n)
	}
}

// What a source's turn costs does not depend on how many orders or jobs the others have.
func TestTurnsOfSourcesAreCheap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const sources, orders = 5, 2000
	b.exec(`
		WITH made AS (
			INSERT INTO orders (source, reference, kind, lane, account, total, turn)
			SELECT 's' || s, 'o' || i, 'whois', 'plain', 'default', 1, s FROM generate_series(1, $1) AS s, generate_series(1, $2) AS i
			RETURNING id, turn
		), jobs AS (
			INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, turn, wake_at)
			SELECT gen_random_uuid(), id, 1, 'whois', 'plain', 'default', 'a.nl', turn, now() FROM made
		)
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account, turn) SELECT id, 1, 1, 'whois', 'plain', 'default', turn FROM made`, sources, orders)
	for _, known := range []string{"unknown to", "known to"} { // the planner
		if n := b.entriesRead("chunks", func(s *store.Store) error {
			_, err := s.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default", After: 500}, 10, time.Hour)
			return err
		}); n > 6*(sources+10) {
			t.Errorf("taking chunks read %d index entries; sizes are %s the planner", n, known)
		}
		if n := b.entriesRead("jobs", func(s *store.Store) error {
			_, err := s.Delivery.TakeDue(t.Context(), lotOf(record.Whois), 10, 100, time.Hour)
			return err
		}); n > 8*(sources+10) {
			t.Errorf("taking due jobs read %d index entries; sizes are %s the planner", n, known)
		}
		b.exec(`ANALYZE`)
	}
}
