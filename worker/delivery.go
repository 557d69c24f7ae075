package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/tracing"
)

const (
	// redisTime is what one look at Redis may take, and the enqueuing of all that was taken at once.
	redisTime = 5 * time.Second
	// producers is how many chunks are enqueued at once.
	producers = 4
	// chunksPerVisit bounds what is delivered of one route before it is the next one's turn.
	chunksPerVisit = 128
	// undeliveredShare is the part of the room that undelivered chunks get while due jobs could fill all of it: a new order must not wait
	// until everything that goes again has gone.
	undeliveredShare = 4
)

// errRedis says that Redis did not answer, or refused.
var errRedis = errors.New("use Redis")

// intake is what may be taken of a route.
type intake struct {
	due, undelivered bool
	canceling        bool // only what an operator has canceled
}

// deliver fills the window of one route. Redis is asked first: while it is away, nothing is taken. Once it has refused a chunk,
// no more than one is taken until it accepts one: what it refuses has to be given back, job by job.
func (d *dispatcher) deliver(ctx context.Context, l *route, of intake) (int, error) {
	if l.backlog() >= l.full {
		return 0, nil // a slow account: its jobs wait in Postgres
	}
	if paused, err := d.paused(ctx, l); paused || err != nil {
		return 0, err
	}
	depth, err := d.depth(ctx, l)
	if err != nil {
		return 0, err
	}
	window := d.windowOf(l)
	d.seen.note(l.queue, depth)
	room := window - depth
	if room < max(window/4, 1) {
		return 0, nil // in one go rather than one by one
	}
	room = min(room, chunksPerVisit)
	if d.shut {
		room = 1
	}
	deliveries, err := d.take(ctx, l, of, room)
	if len(deliveries) == 0 {
		return 0, err
	}
	d.reached(StepTaken)
	return len(deliveries), errors.Join(err, d.enqueue(ctx, l, deliveries))
}

// paused reports whether somebody has paused the queue of a route, or the public one of its kind and lane: who pauses that wants
// all such work to stand still.
func (d *dispatcher) paused(ctx context.Context, l *route) (bool, error) {
	if d.pauses == nil {
		return false, nil
	}
	asking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	paused, err := d.pauses.Paused(asking, []string{l.queue, queue.Queue(queue.Kind(l.Kind), queue.Lane(l.Lane))})
	if err != nil {
		return false, fmt.Errorf("%w: %w", errRedis, err)
	}
	return len(paused) > 0, nil
}

func (d *dispatcher) depth(ctx context.Context, l *route) (int, error) {
	asking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	depth, err := d.gauge.Depth(asking, l.queue)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errRedis, err)
	}
	return depth, nil
}

// take takes what is due, the longest overdue first, and what was never delivered, order by order, until it fills the room or there is no
// more. With an error it returns what it had taken before.
//
// Each due job may need a task of its own, where they are of as many orders. So no more of them are taken at once than there
// is room for tasks, or than one full chunk has jobs: by that much at most may a window be overdrawn.
func (d *dispatcher) take(ctx context.Context, l *route, of intake, room int) (taken []record.Delivery, err error) {
	reserved := 0
	if of.undelivered && of.due {
		reserved = room / undeliveredShare
	}
	for of.due && room > reserved {
		atOnce := max(room-reserved, l.chunkSize)
		due, err := d.takeDue(ctx, l, of, atOnce)
		taken, room = append(taken, due...), room-len(due)
		if err != nil {
			return taken, err
		}
		if jobsIn(due) < atOnce {
			break // there is no more
		}
	}
	if room <= 0 || !of.undelivered {
		return taken, nil
	}
	undelivered, err := d.takeUndelivered(ctx, l, room)
	return append(taken, undelivered...), err
}

func (d *dispatcher) takeDue(ctx context.Context, l *route, of intake, limit int) ([]record.Delivery, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	lot := l.Lot
	lot.Canceling = of.canceling
	return d.store.Delivery.TakeDue(taking, lot, limit, l.chunkSize, d.redeliver)
}

// takeUndelivered goes on behind the source, and the order of each, that it took a chunk of last.
func (d *dispatcher) takeUndelivered(ctx context.Context, l *route, limit int) ([]record.Delivery, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	undelivered, err := d.store.Delivery.TakeUndelivered(taking, l.Lot, limit, d.redeliver)
	if n := len(undelivered); n > 0 {
		l.After = undelivered[n-1].OrderID
		l.Turns.Took(undelivered)
	}
	return undelivered, err
}

func jobsIn(deliveries []record.Delivery) int {
	n := 0
	for _, delivery := range deliveries {
		n += len(delivery.Jobs)
	}
	return n
}

// enqueue hands deliveries to Redis. After the first that it refuses, the others are not tried. What did not get there goes
// back, all of it at once, and is due again soon.
func (d *dispatcher) enqueue(ctx context.Context, l *route, deliveries []record.Delivery) error {
	enqueuing, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	var (
		g    errgroup.Group
		back returns
	)
	g.SetLimit(producers)
	for _, delivery := range deliveries {
		if len(delivery.Jobs) == 0 {
			continue // all of them were canceled, or duplicates
		}
		g.Go(func() error {
			if err := back.refusal(); err != nil {
				back.add(delivery.Jobs, err)
			} else if err := d.producer.Enqueue(tracing.With(enqueuing, delivery.Trace), queue.Kind(l.Kind), queue.Lane(l.Lane), chunkOf(l, delivery)); err != nil {
				back.add(delivery.Jobs, err)
			} else {
				d.reached(StepEnqueued)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	d.shut = back.redis != nil
	return d.takeBack(ctx, &back)
}

// takeBack makes due again what did not reach Redis, also when this worker stops. A chunk that cannot be written down at all is no
// fault of Redis', and no use to try soon.
func (d *dispatcher) takeBack(ctx context.Context, back *returns) error {
	var failed []error
	for _, part := range []struct {
		jobs  []record.DeliveredJob
		delay time.Duration
		cause error
	}{{back.refused, tick, back.redis}, {back.unfit, d.redeliver, back.fault}} {
		if len(part.jobs) == 0 {
			continue
		}
		giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
		err := d.store.Delivery.Undeliver(giving, part.jobs, part.delay)
		cancel()
		if err != nil {
			err = fmt.Errorf("give back jobs: %w", err)
		}
		failed = append(failed, part.cause, err)
	}
	return errors.Join(failed...)
}

// returns are the jobs of deliveries that did not reach Redis. It is safe for concurrent use.
type returns struct {
	mu      sync.Mutex
	refused []record.DeliveredJob // by Redis
	redis   error                 // its first
	unfit   []record.DeliveredJob // to be written down
	fault   error                 // the first one's
}

// refusal is why Redis refused the first of them; nil: it has refused none.
func (r *returns) refusal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.redis
}

func (r *returns) add(jobs []record.DeliveredJob, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.As(err, new(*queue.PayloadError)):
		r.unfit = append(r.unfit, jobs...)
		if r.fault == nil {
			r.fault = err
		}
	default:
		r.refused = append(r.refused, jobs...)
		if r.redis == nil {
			r.redis = fmt.Errorf("%w: %w", errRedis, err)
		}
	}
}

func chunkOf(l *route, d record.Delivery) queue.Chunk {
	c := queue.Chunk{Order: d.Reference, Source: d.Source, Account: l.Account, Jobs: make([]queue.Job, len(d.Jobs))}
	for i, j := range d.Jobs {
		c.Jobs[i] = queue.Job{ID: j.ID, Domain: j.Domain, Epoch: &j.Epoch}
		if queue.Kind(l.Kind).OfPeople() {
			c.Jobs[i].Domain = "" // nothing of a person, not even the subject
		}
	}
	return c
}
