package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) recall(mark string) delivery.Recalled {
	b.t.Helper()
	r, err := b.store.Delivery.Recall(b.t.Context(), mark, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// What was delivered is due at once, whatever its kind, lane and account, and everything else waits as it did.
func TestRecallMakesDeliveriesDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, lot := range []delivery.Lot{
		{Kind: record.Whois, Lane: record.Plain, Account: "default"},
		{Kind: record.Whois, Lane: record.Bulk, Account: "default"},
		{Kind: record.Register, Lane: record.Plain, Account: "partner"},
	} {
		n := newOrder(lot.Kind, fmt.Sprint("r", i))
		n.Lane, n.Account, n.ChunkSize = lot.Lane, lot.Account, 2
		b.submit(n, names(fmt.Sprint("x", i), 6)...)
		if _, err := b.store.Delivery.TakeUndelivered(t.Context(), lot, 2, time.Minute); err != nil { // the third chunk stays
			t.Fatal(err)
		}
	}
	// Of each order, the jobs of the first chunk are on their second delivery.
	b.exec(`DELETE FROM chunks WHERE first_seq = 1`)
	b.exec(`UPDATE jobs SET epoch = 1, wake_at = now() + interval '50 seconds' WHERE seq <= 2`)
	b.exec(`UPDATE jobs SET state = 'retrying' WHERE seq = 2`)

	if got, want := b.recall("first"), (delivery.Recalled{New: true, Chunks: 3, Jobs: 3}); got != want {
		t.Errorf("recalled %+v, want %+v", got, want)
	}
	for what, query := range map[string]string{
		"delivered chunks that are not due": `SELECT count(*) FROM chunks WHERE first_seq = 3 AND wake_at > now()`,
		"fresh chunks that have a time":     `SELECT count(*) FROM chunks WHERE first_seq = 5 AND wake_at IS NOT NULL`,
		"delivered jobs that are not due":   `SELECT count(*) FROM jobs WHERE seq = 1 AND wake_at > now()`,
		"retries that are due":              `SELECT count(*) FROM jobs WHERE seq = 2 AND wake_at <= now()`,
		"jobs of chunks with a time":        `SELECT count(*) FROM jobs WHERE seq > 2 AND wake_at IS NOT NULL`,
	} {
		if n := get[int](b, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

// The second who tells of a mark changes nothing, also when the first one's has gone by meanwhile.
func TestRecallHappensOncePerMark(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	deliver := func() {
		t.Helper()
		b.exec(`UPDATE chunks SET wake_at = now() + interval '30 seconds'`)
	}
	for _, step := range []struct {
		mark string
		want delivery.Recalled
	}{
		{"a", delivery.Recalled{New: true, Chunks: 1}},
		{"a", delivery.Recalled{}},
		{"b", delivery.Recalled{New: true, Chunks: 1}},
		{"a", delivery.Recalled{}},
		{"b", delivery.Recalled{}},
	} {
		deliver()
		if got := b.recall(step.mark); got != step.want {
			t.Errorf("mark %s: recalled %+v, want %+v", step.mark, got, step.want)
		}
	}
}

func TestManyWorkersRecallOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "r")
	n.ChunkSize = 1
	b.submit(n, names("x", 100)...)
	if _, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 100, time.Minute); err != nil {
		t.Fatal(err)
	}
	found := make([]delivery.Recalled, 5)
	var g errgroup.Group
	for i := range found {
		g.Go(func() (err error) {
			found[i], err = b.store.Delivery.Recall(t.Context(), "new", time.Minute)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var first, chunks int
	for _, r := range found {
		chunks += r.Chunks
		if r.New {
			first++
		}
	}
	if first != 1 || chunks != 100 {
		t.Errorf("%d workers recalled %d chunks, want 1 and 100", first, chunks)
	}
}

// More rows than one statement changes, a row that is locked, and more marks than are kept.
func TestRecallKeepsToItsBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 12_003
	b.submit(newOrder(record.Whois, "r"), names("x", n)...)
	b.exec(`DELETE FROM chunks`)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '30 seconds'`)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM jobs WHERE seq = 7 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if got := b.recall("new"); got.Jobs != n-1 {
		t.Errorf("recalled %d jobs, want all of %d but the locked one", got.Jobs, n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.exec(`INSERT INTO delivery_marks (mark, seen_at) SELECT 'old-' || i, now() - make_interval(days => i) FROM generate_series(1, 150) AS i`)
	b.recall("newest")
	if got := get[int](b, `SELECT count(*) FROM delivery_marks`); got != 100 {
		t.Errorf("%d marks are kept, want 100", got)
	}
	if got := get[int](b, `SELECT count(*) FROM delivery_marks WHERE mark IN ('newest', 'new', 'old-98')`); got != 3 {
		t.Errorf("%d of the newest marks are there, want 3", got)
	}
}

// A recall that fails is not remembered, so that the next one makes up for it.
func TestRecallIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	b.exec(`UPDATE chunks SET wake_at = now() + interval '30 seconds'`)
	b.exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$`)
	b.exec(`CREATE TRIGGER fail BEFORE UPDATE ON chunks FOR EACH ROW EXECUTE FUNCTION fail()`)
	if r, err := b.store.Delivery.Recall(t.Context(), "new", time.Minute); err == nil || r != (delivery.Recalled{}) {
		t.Errorf("recalled %+v, %v", r, err)
	}
	b.exec(`DROP TRIGGER fail ON chunks`)
	if got, want := b.recall("new"), (delivery.Recalled{New: true, Chunks: 1}); got != want {
		t.Errorf("recalled %+v, want %+v", got, want)
	}
}

// It must not read a million rows that wait for times far off.
func TestRecallLooksNearItsTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), names("x", 20_000)...)
	b.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '1 hour' WHERE seq > 10`)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '30 seconds' WHERE seq <= 10`)
	b.exec(`ANALYZE jobs`)
	reads := func() int {
		t.Helper()
		return get[int](b, `SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'`)
	}
	b.exec(`SELECT pg_stat_force_next_flush()`)
	before := reads()
	other := b.open(store.Options{MaxConns: 1})
	if got, err := other.Delivery.Recall(t.Context(), "new", time.Minute); err != nil || got.Jobs != 10 {
		t.Errorf("recalled %d jobs, want 10; %v", got.Jobs, err)
	}
	other.Close() // its connection tells what it has read when it ends
	b.eventually(func() bool { return reads() > before })
	if n := reads() - before; n > 200 {
		t.Errorf("%d rows were read to recall 10", n)
	}
}
