package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

// endsOne lets one job of the first order end each time that a statement inserts jobs: between the statement that finds a
// domain taken and the one that looks for whom.
const endsOne = `
	CREATE FUNCTION end_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		UPDATE jobs SET state = 'failed', outcome = 'taken', finished_at = now(), wake_at = NULL WHERE id = (
			SELECT id FROM jobs WHERE order_id = 1 AND state = 'queued' ORDER BY seq LIMIT 1);
		RETURN NULL; END $$;
	CREATE TRIGGER end_one AFTER INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION end_one()`

func TestOrderThatOverlapsOneThatEnds(t *testing.T) {
	t.Parallel()
	// The second size goes through a table, see fewJobs.
	for _, domains := range []int{5, 600} {
		b := setup(t)
		wanted := names("wanted", domains)
		b.submit(newOrder(record.Register, "first"), wanted...)
		b.exec(endsOne)
		res := b.submit(newOrder(record.Register, "second"), wanted...)
		if res.Order.Total != domains || res.Duplicates != domains-1 {
			t.Errorf("total %d, %d duplicates of %d: want all but the one that ended in time", res.Order.Total, res.Duplicates, domains)
		}
		if live := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1 AND state = 'queued'`, res.Order.ID); live != 1 {
			t.Errorf("%d of %d jobs are live, want 1", live, domains)
		}
		adopted := b.adopt(newOrder(record.Register, "own"), newJobs(wanted[:5]...))
		if rows := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1`, adopted.ID); rows != 5 || adopted.Total != 5 {
			t.Errorf("adopted %d rows, total %d", rows, adopted.Total)
		}
	}
}

// The other order's jobs end as fast as they can, by another hand.
func TestOrderThatOverlapsOneWhileItEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const domains = 4000
	wanted := names("wanted", domains)
	b.submit(newOrder(record.Register, "first"), wanted...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ender, _ := errgroup.WithContext(t.Context())
	ender.Go(func() error {
		for left := 1; left > 0 && ctx.Err() == nil; {
			tag, err := b.db.Exec(t.Context(), `UPDATE jobs SET state = 'failed', outcome = 'taken', finished_at = now() WHERE id IN (
				SELECT id FROM jobs WHERE state = 'queued' AND order_id = 1 ORDER BY seq LIMIT 20)`)
			if err != nil {
				return err
			}
			left = int(tag.RowsAffected())
		}
		return nil
	})
	for _, reference := range []string{"second", "third", "fourth"} {
		res, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, reference), yielded(newJobs(wanted...)))
		if err != nil || res.Order.Total != domains {
			t.Errorf("order %s: total %d, %v", reference, res.Order.Total, err)
		}
	}
	cancel()
	if err := ender.Wait(); err != nil {
		t.Error(err)
	}
	if doubled := get[int](b, `SELECT count(*) - count(DISTINCT domain) FROM jobs WHERE live_domain IS NOT NULL`); doubled != 0 {
		t.Errorf("%d domains have two live jobs", doubled)
	}
}

// Whatever keeps a row from going in, a submit ends.
func TestOrderThatOverlapsWhatNeverSettles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.domain = 'lost.nl' THEN RETURN NULL; END IF; RETURN NEW; END $$;
		CREATE TRIGGER lose BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION lose()`)
	_, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(newJobs("a.nl", "lost.nl")))
	if !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
	if rows := get[int](b, `SELECT count(*) FROM jobs`); rows != 0 {
		t.Errorf("%d rows stayed", rows)
	}
}

// A producer hands over an order in many chunks at once, and some of them twice.
func TestManyChunksOfOneOrderAdoptedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const chunks, jobs = 200, 10
	all := newJobs(names("own", chunks*jobs)...)
	for i := range all {
		all[i].ID = uuid.New()
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	other := b.open(store.Options{MaxConns: 20}) // another worker
	var g errgroup.Group
	for i := range chunks + chunks/4 {
		of, chunk := i%chunks, b.store
		if i%2 == 1 {
			chunk = other
		}
		g.Go(func() error {
			_, err := chunk.Orders.AdoptJobs(t.Context(), newOrder(record.Register, "own"), all[of*jobs:(of+1)*jobs])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	o, err := b.store.Orders.Find(t.Context(), "test", "own")
	if err != nil || o.Total != chunks*jobs {
		t.Fatalf("order is %+v, %v", o, err)
	}
	if rows, last := get[int](b, `SELECT count(*) FROM jobs`), get[int](b, `SELECT max(seq) FROM jobs`); rows != o.Total || last != o.Total {
		t.Errorf("%d rows up to place %d, want %d", rows, last, o.Total)
	}
}

// Chunks that wait for their order's turn hold no connection, and give up with their context.
func TestChunksOfOneOrderLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	small := b.open(store.Options{MaxConns: 2})
	b.adopt(newOrder(record.Whois, "own"), newJobs("a.nl"))
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM orders FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 5 {
		jobs := newJobs(newID().String() + ".nl")
		g.Go(func() error {
			_, err := small.Orders.AdoptJobs(t.Context(), newOrder(record.Whois, "own"), jobs)
			return err
		})
	}
	b.blocked(1)
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := small.Orders.AdoptJobs(impatient, newOrder(record.Whois, "own"), newJobs("late.nl")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who waited too long got %v", err)
	}
	if err := small.Ping(t.Context()); err != nil { // with the one connection that is left
		t.Error(err)
	}
	if o, err := small.Orders.AdoptJobs(t.Context(), newOrder(record.Whois, "other"), newJobs("b.nl")); err != nil || o.Total != 1 {
		t.Errorf("another order: total %d, %v", o.Total, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if o, err := b.store.Orders.Find(t.Context(), "test", "own"); err != nil || o.Total != 6 {
		t.Errorf("order is %+v, %v", o, err)
	}
}
