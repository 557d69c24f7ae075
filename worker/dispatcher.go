package worker

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// dispatcher moves work from Postgres to Redis: undelivered chunks, and jobs whose time has come. It keeps only a window
// of tasks there, so that a backlog of a million jobs waits in Postgres. Every worker runs one; they take
// different rows.
//
// A delivery is committed first and enqueued then. What falls between the two is found again by its wake_at.
//
// Each kind, lane and account is a route with a window of its own, and routes are served in turn, a bounded number of chunks each
// time. At rest a dispatcher makes one statement a second, however many accounts there are.
type dispatcher struct {
	store    *store.Store
	producer outlet
	clock    func() time.Time
	gauge    gauge
	pauses   pauseGauge // nil: nobody pauses queues
	routes   []route
	first    int         // the route that is served first
	fleet    *fleetSlots // nil: this worker is alone
	wake     chan struct{}
	// redeliver is how long a delivery may stay unclaimed.
	redeliver time.Duration
	reached   func(Step)
	// shut says that Redis refused a chunk: the next delivery only tries whether it still does.
	shut     bool
	seen     seenRoutes
	troubles *troubles
	log      zerolog.Logger
}

// outlet is where chunks go.
type outlet interface {
	Enqueue(ctx context.Context, kind queue.Kind, lane queue.Lane, chunk queue.Chunk) error
}

// accountQueues is the outlet of a worker: the queues of each account.
type accountQueues struct{ *queue.Producer }

// Enqueue implements outlet.
func (q accountQueues) Enqueue(ctx context.Context, kind queue.Kind, lane queue.Lane, chunk queue.Chunk) error {
	return q.Deliver(ctx, kind, lane, chunk)
}

// gauge says how many tasks a queue holds: a *queue.Gauge.
type gauge interface {
	Depth(ctx context.Context, queue string) (int, error)
}

// route is one kind, lane and account to deliver for.
type route struct {
	delivery.Lot
	queue     string
	chunkSize int
	window    int // tasks in Redis at most, for a fleet of this worker alone
	slots     int // calls of this kind and account that this worker may have in flight
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
)

func newDispatcher(o Options, pipelines []*pipeline, producer outlet, gauge gauge) *dispatcher {
	d := &dispatcher{
		store: o.Store, producer: producer, clock: o.Clock, gauge: gauge,
		wake: make(chan struct{}, 1), reached: o.reached, redeliver: o.redelivery(), troubles: o.troubles,
		log: o.Log.With().Str("role", "dispatcher").Logger(),
	}
	for _, p := range pipelines {
		for _, lane := range queue.Lanes() {
			l := route{
				Lot:       delivery.Lot{Kind: p.kind, Lane: record.Lane(lane), Account: p.account, Turns: &delivery.Turns{}},
				queue:     queue.AccountQueue(queue.Kind(p.kind), lane, p.account),
				chunkSize: p.tuning.BatchSize,
				window:    plainWindow,
				slots:     p.tuning.Concurrency,
				backlog:   p.batches.backlog,
				full:      fullPerSlot * p.tuning.Concurrency * p.tuning.BatchSize,
			}
			switch {
			case p.work.window > 0:
				l.window = p.work.window * p.tuning.Concurrency
			case lane == queue.Bulk:
				l.window = windowPerSlot * p.tuning.Concurrency
			}
			d.routes = append(d.routes, l)
		}
	}
	return d
}

// windowOf is how many tasks of a route may be in Redis. It grows with the call slots of the fleet that serves it.
func (d *dispatcher) windowOf(l *route) int {
	slots := d.fleet.slots(l.Kind, l.Account)
	if slots <= l.slots || l.slots == 0 {
		return l.window
	}
	return l.window * slots / l.slots
}

// nudge makes the dispatcher look soon. It never blocks.
func (d *dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run dispatches until ctx ends. After a failure it waits for its time, whoever nudges it: what fails at once would be tried
// without a pause otherwise.
func (d *dispatcher) run(ctx context.Context) {
	down := outage{log: d.log, what: "dispatching", troubles: d.troubles}
	for ctx.Err() == nil {
		delivered, err := d.dispatch(ctx)
		down.note(ctx, err)
		d.seen.looked(d.clock(), err)
		switch {
		case err != nil:
			pause(ctx, tick)
		case delivered == 0:
			sleep(ctx, tick, d.wake)
		}
	}
}

// dispatch serves each route once that has something to deliver, and returns how many chunks that were. Each time another route is
// the first. When one cannot be served, the others still are, unless Redis is away: then none can.
func (d *dispatcher) dispatch(ctx context.Context) (int, error) {
	agenda, err := d.agenda(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	var failed []error
	for i := range d.routes {
		n := (d.first + i) % len(d.routes)
		has, found := agenda[n]
		if !found {
			d.seen.note(d.routes[n].queue, 0)
			continue
		}
		delivered, err := d.serve(ctx, &d.routes[n], has)
		total += delivered
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil || errors.Is(err, errRedis) {
			break
		}
	}
	if len(d.routes) > 0 {
		d.first = (d.first + 1) % len(d.routes)
	}
	return total, errors.Join(failed...)
}

func (d *dispatcher) agenda(ctx context.Context) (map[int]delivery.Agenda, error) {
	lots := make([]delivery.Lot, len(d.routes))
	for i, l := range d.routes {
		lots[i] = l.Lot
	}
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return d.store.Delivery.Agenda(asking, lots)
}

// serve does what there is to do for a route: what stands still becomes held, and the rest is delivered.
func (d *dispatcher) serve(ctx context.Context, l *route, has delivery.Agenda) (int, error) {
	taking := intake{due: has.Due, undelivered: has.Undelivered}
	if has.Stopped.Stops(l.Kind) {
		if has.Due {
			if more, err := d.hold(ctx, l); more || err != nil {
				return 0, err // what was canceled is looked for when no others that are due stand before it
			}
		}
		// To a registration that was canceled a check is left, which only a hold on everything stops.
		taking = intake{due: has.Due && !has.Stopped.All, canceling: true}
	}
	if !taking.due && !taking.undelivered {
		return 0, nil
	}
	return d.deliver(ctx, l, taking)
}

// hold makes due jobs of a route held, and reports whether there may be more.
func (d *dispatcher) hold(ctx context.Context, l *route) (more bool, err error) {
	holding, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	n, err := d.store.Delivery.HoldDue(holding, l.Lot, holdAtOnce)
	return n == holdAtOnce, err
}

// listen wakes the dispatcher when an order comes in, until ctx ends.
func (d *dispatcher) listen(ctx context.Context) {
	down := outage{log: d.log, what: "listening for orders", troubles: d.troubles}
	for ctx.Err() == nil {
		err := d.store.Listen(ctx, func(record.Kind) {
			down.note(ctx, nil)
			d.nudge()
		})
		down.note(ctx, err)
		pause(ctx, tick)
	}
}
