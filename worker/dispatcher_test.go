package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// lane is a queue in Redis that only the dispatcher looks at: its outlet and its gauge.
type lane struct {
	mu     sync.Mutex
	chunks []queue.Chunk
}

func (l *lane) Enqueue(_ context.Context, _ queue.Kind, _ queue.Lane, c queue.Chunk) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chunks = append(l.chunks, c)
	return nil
}

func (l *lane) Depth(context.Context, string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.chunks), nil
}

// empty takes everything out and returns it.
func (l *lane) empty() []queue.Chunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	chunks := l.chunks
	l.chunks = nil
	return chunks
}

// dispatching is a dispatcher for one route, on a database whose orders are made in SQL.
type dispatching struct {
	t          *testing.T
	dispatcher *dispatcher
	lane       *lane
	db         *pgx.Conn
}

func setupDispatching(t *testing.T, name queue.Lane, window, chunkSize int) *dispatching {
	t.Helper()
	url := pgtest.New(t, func(ctx context.Context, url string) error {
		_, err := migrations.Up(ctx, url)
		return err
	})
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	l := &lane{}
	return &dispatching{t: t, lane: l, db: db, dispatcher: &dispatcher{
		clock: time.Now,
		store: s, producer: l, gauge: l, wake: make(chan struct{}, 1), redeliver: time.Hour, reached: func(Step) {}, log: zerolog.Nop(),
		routes: []route{{
			Lot: delivery.Lot{Kind: record.Whois, Lane: record.Lane(name), Account: "default"}, queue: queue.Queue(queue.Whois, name),
			chunkSize: chunkSize, window: window, backlog: func() int { return 0 }, full: 1,
		}},
	}}
}

// due makes orders of as many jobs each, all of them due, the first order's first.
func (d *dispatching) due(name string, orders, jobs int) {
	d.t.Helper()
	_, err := d.db.Exec(d.t.Context(), `
		WITH made AS (
			INSERT INTO orders (source, reference, kind, lane, account, total)
			SELECT 'test', $1 || i, 'whois', $2, 'default', $4 FROM generate_series(1, $3) AS i RETURNING id
		)
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, wake_at)
		SELECT gen_random_uuid(), made.id, seq, 'whois', $2, 'default', 'd' || made.id || '-' || seq || '.nl',
			now() - interval '1 hour' + make_interval(secs => made.id)
		FROM made, generate_series(1, $4) AS seq`, name, string(d.dispatcher.routes[0].Lane), orders, jobs)
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *dispatching) fresh(name string, jobs, chunk int) {
	d.t.Helper()
	lot := d.dispatcher.routes[0].Lot
	order := orders.NewOrder{Source: "test", Reference: name, Kind: lot.Kind, Lane: lot.Lane, Account: lot.Account, ChunkSize: chunk}
	_, err := d.dispatcher.store.Orders.Submit(d.t.Context(), order, func(yield func(orders.NewJob, error) bool) {
		for i := range jobs {
			if !yield(orders.NewJob{ID: newID(), Domain: fmt.Sprintf("%s-%d.nl", name, i)}, nil) {
				return
			}
		}
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *dispatching) dispatch() []queue.Chunk {
	d.t.Helper()
	if _, err := d.dispatcher.dispatch(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	return d.lane.empty()
}

// Thousands of due jobs, each of an order of its own, need a task each. No more of them lie in Redis than the window allows.
func TestDueJobsOfManyOrdersStayInTheWindow(t *testing.T) {
	t.Parallel()
	const window, orders = 40, 130
	d := setupDispatching(t, queue.Plain, window, 20)
	d.due("o", orders, 1)
	d.fresh("later", 1, 1)
	var rounds []int
	seen := map[string]int{} // in which round an order's job was delivered
	for chunks := d.dispatch(); len(chunks) > 0; chunks = d.dispatch() {
		rounds = append(rounds, len(chunks))
		for _, c := range chunks {
			seen[c.Order] = len(rounds)
		}
	}
	const due = window - window/4 // what is fresh has its share
	if want := []int{due + 1, window, window, orders - due - 2*window}; !slices.Equal(rounds, want) {
		t.Fatalf("tasks at once: %v, want %v", rounds, want)
	}
	if len(seen) != orders+1 || seen["later"] != 1 || seen["o1"] != 1 || seen["o130"] != len(rounds) {
		t.Errorf("%d orders were delivered for; the first in round %d, the last in %d, and what is fresh in %d",
			len(seen), seen["o1"], seen["o130"], seen["later"])
	}
}

// The due jobs of one order travel in full chunks. They fill the window, but for the share of what is fresh.
func TestDueJobsOfOneOrderFillTheWindow(t *testing.T) {
	t.Parallel()
	const window, size = 8, 20
	d := setupDispatching(t, queue.Bulk, window, size)
	d.due("o", 1, (window+1)*size+5)
	d.fresh("later", 3*size, size)
	for i, want := range []map[string]int{{"o1 20": 6, "later 20": 2}, {"o1 20": 3, "o1 5": 1, "later 20": 1}} {
		got := map[string]int{}
		for _, c := range d.dispatch() {
			got[fmt.Sprintf("%s %d", c.Order, len(c.Jobs))]++
		}
		if !maps.Equal(got, want) {
			t.Errorf("round %d delivers %v, want %v", i, got, want)
		}
	}
}
