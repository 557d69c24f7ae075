package worker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// fullRedis answers and takes no writes, as one that is out of memory, or has become a replica, does.
type fullRedis struct {
	*lane
	mu    sync.Mutex
	full  bool
	tried int
}

func (r *fullRedis) Enqueue(ctx context.Context, k queue.Kind, l queue.Lane, c queue.Chunk) error {
	if _, err := c.Encode(); err != nil {
		return err // as a producer says
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried++
	if r.full {
		return errors.New("OOM command not allowed when used memory > 'maxmemory'")
	}
	return r.lane.Enqueue(ctx, k, l, c)
}

func (r *fullRedis) fill(full bool) (tried int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	return r.tried
}

// refusing puts a Redis that takes no writes behind a dispatcher.
func (d *dispatching) refusing() *fullRedis {
	r := &fullRedis{lane: d.lane, full: true}
	d.dispatcher.producer = r
	return r
}

// waiting counts the jobs that some statement of Postgres would deliver, now or in a moment.
func (d *dispatching) waiting() (n int) {
	d.t.Helper()
	err := d.db.QueryRow(d.t.Context(), `
		SELECT (SELECT count(*) FROM jobs WHERE state = 'queued' AND wake_at < now() + interval '5 seconds')
			+ coalesce((SELECT sum(last_seq - first_seq + 1) FROM chunks WHERE wake_at IS NULL), 0)`).Scan(&n)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// What Redis refuses stays due. It is tried with one chunk at a time until it accepts one, and then everything goes on.
func TestRedisThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	const window, chunks = 32, 100
	d := setupDispatching(t, queue.Bulk, window, 10)
	d.fresh("o", 10*chunks, 10)
	r := d.refusing()
	for range 5 {
		if _, err := d.dispatcher.dispatch(t.Context()); !errors.Is(err, errRedis) || !strings.Contains(err.Error(), "OOM") {
			t.Fatalf("dispatching says %v", err)
		}
	}
	// Of the first window only those that were under way at once were tried, and then one a time.
	if tried := r.fill(false); tried > producers+4 {
		t.Errorf("%d chunks were tried", tried)
	}
	if n := d.waiting(); n != 10*chunks {
		t.Errorf("%d of %d jobs wait to be delivered", n, 10*chunks)
	}
	if _, err := d.db.Exec(t.Context(), `UPDATE jobs SET wake_at = now() WHERE wake_at IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	if n := len(d.dispatch()); n != 1 {
		t.Errorf("%d chunks try whether Redis takes writes again", n)
	}
	delivered := 10
	for chunks := d.dispatch(); len(chunks) > 0; chunks = d.dispatch() {
		for _, c := range chunks {
			delivered += len(c.Jobs)
		}
	}
	if delivered != 10*chunks {
		t.Errorf("%d of %d jobs were delivered", delivered, 10*chunks)
	}
}

// A dispatcher that Redis refuses does not spin, also while it is nudged, and says so once.
func TestRefusedDispatcherWaits(t *testing.T) {
	t.Parallel()
	d := setupDispatching(t, queue.Bulk, 32, 10)
	d.fresh("o", 1000, 10)
	r := d.refusing()
	var log bytes.Buffer
	d.dispatcher.log = zerolog.New(&log)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.dispatcher.run(ctx) })
	begun := time.Now()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for time.Since(begun) < 3*tick {
		<-look.C
		d.dispatcher.nudge()
	}
	cancel()
	running.Wait()
	if tried := r.fill(true); tried > producers+4 {
		t.Errorf("in %v Redis was tried %d times", time.Since(begun), tried)
	}
	if n := strings.Count(log.String(), "dispatching fails"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, log.String())
	}
}

// A chunk that cannot be written down is no reason to keep the others back.
func TestUnfitChunkIsPassedOver(t *testing.T) {
	t.Parallel()
	d := setupDispatching(t, queue.Bulk, 8, 10)
	d.fresh("bad", 1, 10)
	d.fresh("good", 20, 10)
	if _, err := d.db.Exec(t.Context(), `UPDATE jobs SET domain = repeat('x', 300) WHERE domain LIKE 'bad-%'`); err != nil {
		t.Fatal(err)
	}
	r := d.refusing()
	r.fill(false)
	n, err := d.dispatcher.dispatch(t.Context())
	if n != 3 || !errors.As(err, new(*queue.PayloadError)) || errors.Is(err, errRedis) {
		t.Errorf("%d chunks, %v", n, err)
	}
	if got := d.lane.empty(); len(got) != 2 {
		t.Errorf("%d of the 2 good chunks were delivered", len(got))
	}
	if _, err := d.dispatcher.dispatch(t.Context()); err != nil {
		t.Errorf("tried again at once: %v", err)
	}
}

// The window grows with the call slots of all workers, and never below what this worker needs.
func TestWindowGrowsWithTheFleet(t *testing.T) {
	t.Parallel()
	d := setupDispatching(t, queue.Bulk, 10, 10)
	d.fresh("o", 1000, 10)
	l := &d.dispatcher.routes[0]
	l.slots, d.dispatcher.fleet = 2, &fleetSlots{}
	for _, step := range []struct{ slots, want int }{{0, 10}, {1, 10}, {2, 10}, {6, 30}, {3, 15}} {
		d.dispatcher.fleet.set([]fleet.Capacity{
			{Kind: l.Kind, Account: l.Account, Slots: step.slots}, {Kind: l.Kind, Account: "other", Slots: 100},
		})
		if n := len(d.dispatch()); n != step.want {
			t.Errorf("with %d slots the window has room for %d chunks, want %d", step.slots, n, step.want)
		}
	}
}

// However much one account has to deliver, the next one's turn comes soon.
func TestLotsAreServedInTurn(t *testing.T) {
	t.Parallel()
	d := setupDispatching(t, queue.Bulk, 1000, 1)
	d.fresh("large", 3*chunksPerVisit, 1)
	other := d.dispatcher.routes[0]
	other.Account = "other"
	d.dispatcher.routes = append(d.dispatcher.routes, other)
	if _, err := d.db.Exec(t.Context(), `
		WITH o AS (INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('test', 'small', 'whois', 'bulk', 'other', 1) RETURNING id),
		j AS (INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain) SELECT gen_random_uuid(), id, 1, 'whois', 'bulk', 'other', 'small.nl' FROM o)
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account) SELECT id, 1, 1, 'whois', 'bulk', 'other' FROM o`); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, c := range d.dispatch() {
		got[c.Order]++
	}
	if got["large"] != chunksPerVisit || got["small"] != 1 {
		t.Errorf("one round delivers %v", got)
	}
}
