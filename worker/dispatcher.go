package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// dispatcher moves work from Postgres to Redis: fresh chunks, and jobs whose time has come. It keeps only a window
// of tasks there, so that a backlog of a million jobs waits in Postgres. Every worker runs one; they take
// different rows.
//
// A delivery is committed first and enqueued then. What falls between the two is found again by its wake_at.
type dispatcher struct {
	store    *store.Store
	producer outlet
	gauge    gauge
	lots     []lot
	wake     chan struct{}
	// redeliver is how long a delivery may stay unclaimed.
	redeliver time.Duration
	reached   func(Step)
	troubles  *troubles
	log       zerolog.Logger
}

// outlet is where chunks go: a *queue.Producer.
type outlet interface {
	Enqueue(ctx context.Context, kind queue.Kind, lane queue.Lane, chunk queue.Chunk) error
}

// gauge says how many tasks a queue holds: a *queue.Gauge.
type gauge interface {
	Depth(ctx context.Context, queue string) (int, error)
}

// lot is one kind, lane and account to deliver for.
type lot struct {
	store.Lot
	queue     string
	chunkSize int
	window    int // tasks in Redis at most
	// backlog is how many jobs this worker has waiting for this kind and account; at full it wants no more.
	backlog func() int
	full    int
}

const (
	// tick is how often the dispatcher looks although nobody woke it: the resolution of wake_at.
	tick = time.Second
	// plainWindow bounds the plain lane, whose chunks may hold one job each.
	plainWindow = 500
	// windowPerSlot is how many chunks of the bulk lane wait in Redis for each call slot.
	windowPerSlot = 16
	// fullPerSlot is how many batches per call slot an account may have waiting in a worker.
	fullPerSlot = 8
	// holdAtOnce bounds the due jobs that become held in one look.
	holdAtOnce = 5000
	// producers is how many chunks are enqueued at once.
	producers = 4
)

func newDispatcher(o Options, pipelines []*pipeline, producer outlet, gauge gauge) *dispatcher {
	d := &dispatcher{
		store: o.Store, producer: producer, gauge: gauge,
		wake: make(chan struct{}, 1), reached: o.reached, redeliver: o.redelivery(), troubles: o.troubles,
		log: o.Log.With().Str("role", "dispatcher").Logger(),
	}
	for _, p := range pipelines {
		for _, lane := range queue.Lanes() {
			l := lot{
				Lot:       store.Lot{Kind: p.kind, Lane: store.Lane(lane), Account: p.account},
				queue:     queue.Queue(queue.Kind(p.kind), lane),
				chunkSize: p.tuning.BatchSize,
				window:    plainWindow,
				backlog:   p.batches.backlog,
				full:      fullPerSlot * p.tuning.Concurrency * p.tuning.BatchSize,
			}
			if lane == queue.Bulk {
				// Accounts share the queue: a slow one must not use up the others' window.
				l.window = windowPerSlot * p.tuning.Concurrency * len(o.Accounts)
			}
			d.lots = append(d.lots, l)
		}
	}
	return d
}

// nudge makes the dispatcher look soon. It never blocks.
func (d *dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run dispatches until ctx ends.
func (d *dispatcher) run(ctx context.Context) {
	down := outage{log: d.log, what: "dispatching", troubles: d.troubles}
	for ctx.Err() == nil {
		delivered, err := d.dispatch(ctx)
		down.note(ctx, err)
		if err == nil && delivered > 0 {
			continue // there may be more
		}
		sleep(ctx, tick, d.wake)
	}
}

// dispatch delivers once for each lot, and returns how many chunks that were.
func (d *dispatcher) dispatch(ctx context.Context) (int, error) {
	stopped, err := d.stopped(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, l := range d.lots {
		if stopped[l.Account].Stops(l.Kind) {
			if err := d.hold(ctx, l); err != nil {
				return total, err
			}
			if stopped[l.Account].All {
				continue
			}
			l.Canceling = true
		}
		n, err := d.deliver(ctx, l)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func (d *dispatcher) stopped(ctx context.Context) (map[string]store.Stopped, error) {
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return d.store.Stopped(asking)
}

func (d *dispatcher) hold(ctx context.Context, l lot) error {
	holding, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	_, err := d.store.HoldDue(holding, l.Lot, holdAtOnce)
	return err
}

// deliver fills the window of one lot. Redis is asked first: while it is away, nothing is taken.
func (d *dispatcher) deliver(ctx context.Context, l lot) (int, error) {
	if l.backlog() >= l.full {
		return 0, nil // a slow account: its jobs wait in Postgres, not where the others' do
	}
	depth, err := d.gauge.Depth(ctx, l.queue)
	if err != nil {
		return 0, err
	}
	room := l.window - depth
	if room < max(l.window/4, 1) {
		return 0, nil // in one go rather than one by one
	}
	deliveries, err := d.take(ctx, l, room)
	if len(deliveries) == 0 {
		return 0, err
	}
	d.reached(StepTaken)
	return len(deliveries), errors.Join(err, d.enqueue(ctx, l, deliveries))
}

// take takes what is due, the longest overdue first, and then what is fresh, until it fills the room or there is no more.
// With an error it returns what it had taken before.
//
// Each due job may need a task of its own, where they are of as many orders. So no more of them are taken at once than there
// is room for tasks, or than one full chunk has jobs: by that much at most may a window be overdrawn.
func (d *dispatcher) take(ctx context.Context, l lot, room int) (taken []store.Delivery, err error) {
	for room > 0 {
		atOnce := max(room, l.chunkSize)
		due, err := d.takeDue(ctx, l, atOnce)
		if err != nil {
			return taken, err
		}
		taken, room = append(taken, due...), room-len(due)
		if jobsIn(due) < atOnce {
			break // there is no more
		}
	}
	if room <= 0 || l.Canceling {
		return taken, nil
	}
	fresh, err := d.takeFresh(ctx, l, room)
	return append(taken, fresh...), err
}

func (d *dispatcher) takeDue(ctx context.Context, l lot, limit int) ([]store.Delivery, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return d.store.TakeDue(taking, l.Lot, limit, l.chunkSize, d.redeliver)
}

func (d *dispatcher) takeFresh(ctx context.Context, l lot, limit int) ([]store.Delivery, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return d.store.TakeFresh(taking, l.Lot, limit, d.redeliver)
}

func jobsIn(deliveries []store.Delivery) int {
	n := 0
	for _, delivery := range deliveries {
		n += len(delivery.Jobs)
	}
	return n
}

// enqueue hands deliveries to Redis. What it refuses goes back, all of it at once.
func (d *dispatcher) enqueue(ctx context.Context, l lot, deliveries []store.Delivery) error {
	var (
		g       errgroup.Group
		mu      sync.Mutex
		refused []store.DeliveredJob
	)
	g.SetLimit(producers)
	for _, delivery := range deliveries {
		if len(delivery.Jobs) == 0 {
			continue // all of them were canceled, or duplicates
		}
		g.Go(func() error {
			err := d.producer.Enqueue(ctx, queue.Kind(l.Kind), queue.Lane(l.Lane), chunkOf(l, delivery))
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, delivery.Jobs...)
				return err
			}
			d.reached(StepEnqueued)
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		return nil
	}
	giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime) // also when this worker stops
	defer cancel()
	if back := d.store.Undeliver(giving, refused, tick); back != nil {
		return fmt.Errorf("%w; and give back its jobs: %w", err, back)
	}
	return err
}

func chunkOf(l lot, d store.Delivery) queue.Chunk {
	c := queue.Chunk{Order: d.Reference, Source: d.Source, Account: l.Account, Jobs: make([]queue.Job, len(d.Jobs))}
	for i, j := range d.Jobs {
		c.Jobs[i] = queue.Job{ID: j.ID, Domain: j.Domain, Epoch: &j.Epoch}
	}
	return c
}

// listen wakes the dispatcher when an order comes in, until ctx ends.
func (d *dispatcher) listen(ctx context.Context) {
	down := outage{log: d.log, what: "listening for orders", troubles: d.troubles}
	for ctx.Err() == nil {
		err := d.store.Listen(ctx, func(store.Kind) {
			down.note(ctx, nil)
			d.nudge()
		})
		down.note(ctx, err)
		pause(ctx, tick)
	}
}
