package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/store"
)

// inChunks submits an order of so many chunks, two jobs each.
func (b *bench) inChunks(reference string, chunks int) record.Order {
	b.t.Helper()
	n := newOrder(record.Whois, reference)
	n.ChunkSize = 2
	return b.submit(n, names(reference, 2*chunks)...).Order
}

// wantTaken takes fresh chunks as a dispatcher does, and wants them to be of these orders.
func (b *bench) wantTaken(lot *delivery.Lot, limit int, want string) {
	b.t.Helper()
	deliveries, err := b.store.Delivery.TakeUndelivered(b.t.Context(), *lot, limit, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	got := []string{}
	for _, d := range deliveries {
		got, lot.After = append(got, d.Reference), d.OrderID
	}
	if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
		b.t.Errorf("taking %d (-want +got):\n%s", limit, diff)
	}
}

// Whoever has a million waits for his turn like everybody else.
func TestOrdersTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inChunks("large", 12)
	b.inChunks("a", 1)
	b.inChunks("b", 3)
	b.inChunks("c", 2)
	lot := lotOf(record.Whois)
	b.wantTaken(&lot, 3, "large a b")
	b.wantTaken(&lot, 2, "c large")
	b.wantTaken(&lot, 4, "b b c large") // two of each at most, which is one too many
	b.inChunks("new", 2)
	b.wantTaken(&lot, 1, "new")
	b.wantTaken(&lot, 8, "large large large large new")
	b.wantTaken(&lot, 8, "large large large large large")
	b.wantTaken(&lot, 8, "")
}

func TestPausedOrdersAreNotDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	orders := map[string]record.Order{}
	for _, reference := range []string{"a", "b", "c", "d"} {
		orders[reference] = b.inChunks(reference, 2)
	}
	lot := lotOf(record.Whois)
	b.pauseOrder(orders["a"])
	b.pauseOrder(orders["c"])
	b.wantTaken(&lot, 2, "b d")
	b.wantTaken(&lot, 2, "b d")
	b.wantTaken(&lot, 2, "")
	if agenda, err := b.store.Delivery.Agenda(t.Context(), []delivery.Lot{lot}); err != nil || len(agenda) != 0 {
		t.Errorf("with nothing but paused orders, the agenda is %v, %v", agenda, err)
	}
	b.exec(`DELETE FROM order_holds WHERE order_id = (SELECT id FROM orders WHERE reference = 'c')`)
	if agenda, err := b.store.Delivery.Agenda(t.Context(), []delivery.Lot{lot}); err != nil || !agenda[0].Undelivered {
		t.Errorf("with an order that goes on, the agenda is %v, %v", agenda, err)
	}
	b.wantTaken(&lot, 4, "c c")
}

// A paused order's jobs that are due become held, however many stand before those of others.
func TestDueJobsOfPausedOrdersAreHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paused := b.submit(newOrder(record.Register, "paused"), names("paused", 50)...)
	b.submit(newOrder(record.Register, "other"), "one.nl", "two.nl")
	b.exec(`UPDATE jobs SET wake_at = now() - make_interval(secs => 100 - order_id)`)
	b.pauseOrder(paused.Order)
	deliveries, err := b.store.Delivery.TakeDue(t.Context(), lotOf(record.Register), 10, 100, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"test/other: one.nl@1 two.nl@1"}
	if diff := cmp.Diff(want, shape(deliveries)); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE state = 'held' AND wake_at IS NULL AND epoch = 0 AND domain LIKE 'paused-%'`); n != 50 {
		t.Errorf("%d of 50 jobs are held", n)
	}
}

// What a turn costs depends neither on how many orders wait nor on how large they are, and what has been delivered of them
// is not read again.
func TestTurnsAreCheap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const orders, chunks, paused = 300, 100, 20
	b.exec(`
		WITH made AS (
			INSERT INTO orders (source, reference, kind, lane, account, total)
			SELECT 'test', 'o' || i, 'whois', 'plain', 'default', $2 FROM generate_series(1, $1) AS i RETURNING id
		)
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account, wake_at)
		SELECT id, seq, seq, 'whois', 'plain', 'default', CASE WHEN seq < $2 / 2 THEN now() + interval '1 hour' END
		FROM made, generate_series(1, $2) AS seq`, orders, chunks)
	b.exec(`INSERT INTO order_holds (order_id, placed_by) SELECT id, 'ann' FROM orders ORDER BY id LIMIT $1`, paused)
	for _, known := range []string{"unknown to", "known to"} { // the planner
		for name, look := range map[string]func(s *store.Store) error{
			"taking chunks": func(s *store.Store) error {
				_, err := s.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default", After: orders}, 10, time.Hour)
				return err
			},
			"the agenda": func(s *store.Store) error {
				_, err := s.Delivery.Agenda(t.Context(), []delivery.Lot{lotOf(record.Whois), lotOf(record.Register)})
				return err
			},
		} {
			if n := b.entriesRead("chunks", look); n > 6*(paused+10) {
				t.Errorf("%s read %d index entries of %d; sizes are %s the planner", name, n, orders*chunks, known)
			}
		}
		b.exec(`ANALYZE`)
	}
}

// entriesRead counts the index entries of a table that somebody reads on a connection of his own.
func (b *bench) entriesRead(table string, look func(s *store.Store) error) int {
	b.t.Helper()
	const counted = `SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE relname = $1`
	const scans = `SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE relname = $1`
	if _, err := b.db.Exec(b.t.Context(), `SELECT pg_stat_force_next_flush()`); err != nil {
		b.t.Fatal(err)
	}
	before, looked := get[int](b, counted, table), get[int](b, scans, table)
	s := b.open(store.Options{MaxConns: 1})
	if err := look(s); err != nil {
		b.t.Fatal(err)
	}
	s.Close() // a connection that ends tells what it has read
	b.eventually(func() bool { return get[int](b, scans, table) > looked })
	return get[int](b, counted, table) - before
}
