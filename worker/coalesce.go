package worker

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
)

// bulkShare is the part of a batch that the bulk lane gets while the plain lane could fill all of it, so
// that a stream of small orders slows a large one down and never stops it.
const bulkShare = 8

// ticket is one delivered job on its way through a batch.
type ticket struct {
	job   record.DeliveredJob
	since time.Time
	chunk *passage
}

// passage is one chunk on its way through: done is closed when the last of its tickets has been dealt with.
type passage struct {
	mu   sync.Mutex
	left int
	done chan struct{}
	from trace.SpanContext // of the delivery
}

func (p *passage) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

// leave says that all of these tickets have been dealt with.
func leave(tickets []ticket) {
	for _, t := range tickets {
		t.chunk.leave()
	}
}

func deliveredIn(tickets []ticket) []record.DeliveredJob {
	jobs := make([]record.DeliveredJob, len(tickets))
	for i, t := range tickets {
		jobs[i] = t.job
	}
	return jobs
}

// coalescer turns chunks of any size into batches of one size. A full batch leaves at once. One that is not full
// leaves when its oldest job has waited for the linger and a call slot is free: while none is, waiting
// costs nothing and fills it further.
type coalescer struct {
	linger time.Duration
	clock  func() time.Time
	idle   func() bool // is a call slot free?

	mu      sync.Mutex
	size    int
	waiting map[queue.Lane][]ticket
	owed    int // jobs that left while the bulk lane waited, and of which it has not had its share
	closed  bool
	changed chan struct{} // closed, and made anew, whenever a waiting taker should look again
}

func newCoalescer(size int, linger time.Duration, clock func() time.Time, idle func() bool) *coalescer {
	return &coalescer{
		size: size, linger: linger, clock: clock, idle: idle,
		waiting: map[queue.Lane][]ticket{},
		changed: make(chan struct{}),
	}
}

// add puts jobs of a delivery in line and returns their passage, or nil when the coalescer has been closed.
func (c *coalescer) add(lane queue.Lane, jobs []record.DeliveredJob, from trace.SpanContext) *passage {
	p := &passage{left: len(jobs), done: make(chan struct{}), from: from}
	if len(jobs) == 0 {
		close(p.done)
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	now := c.clock()
	for _, j := range jobs {
		c.waiting[lane] = append(c.waiting[lane], ticket{job: j, since: now, chunk: p})
	}
	c.broadcast()
	return p
}

// next waits for a batch. It returns nil when the coalescer has been closed or ctx has ended.
func (c *coalescer) next(ctx context.Context) []ticket {
	for {
		batch, wait, changed := c.cut()
		if batch != nil || wait == closedForGood {
			return batch
		}
		if !sleep(ctx, wait, changed) {
			return nil
		}
	}
}

// Answers of cut that are not a time to wait.
const (
	untilChange   = time.Duration(-1)
	closedForGood = time.Duration(-2)
)

// cut takes a batch if one may leave now. Otherwise it says how long that will be at most, and what to watch.
func (c *coalescer) cut() (batch []ticket, wait time.Duration, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, closedForGood, nil
	}
	plain, bulk := c.waiting[queue.Plain], c.waiting[queue.Bulk]
	n := len(plain) + len(bulk)
	if n == 0 {
		return nil, untilChange, c.changed
	}
	if n < c.size {
		if left := c.linger - c.clock().Sub(oldest(plain, bulk)); left > 0 {
			return nil, left, c.changed
		}
		if !c.idle() {
			return nil, untilChange, c.changed
		}
	}
	return c.take(min(n, c.size)), 0, nil
}

func oldest(plain, bulk []ticket) time.Time {
	switch {
	case len(plain) == 0:
		return bulk[0].since
	case len(bulk) == 0 || plain[0].since.Before(bulk[0].since):
		return plain[0].since
	default:
		return bulk[0].since
	}
}

// take takes n tickets, the plain lane's first but for the bulk lane's share. Batches may be smaller than it takes for a share
// in each: what they leave over adds up.
func (c *coalescer) take(n int) []ticket {
	plain, bulk := c.waiting[queue.Plain], c.waiting[queue.Bulk]
	c.owed += n
	fromPlain := min(len(plain), n-min(len(bulk), c.owed/bulkShare, n))
	fromBulk := n - fromPlain
	if c.owed = max(c.owed-fromBulk*bulkShare, 0); fromBulk == len(bulk) {
		c.owed = 0 // nobody waits for it
	}
	batch := make([]ticket, 0, n)
	batch = append(append(batch, plain[:fromPlain]...), bulk[:fromBulk]...)
	c.waiting[queue.Plain] = rest(plain, fromPlain)
	c.waiting[queue.Bulk] = rest(bulk, fromBulk)
	return batch
}

// rest is what remains of a line. An emptied line gives its memory back.
func rest(line []ticket, taken int) []ticket {
	if taken == len(line) {
		return nil
	}
	return line[taken:]
}

// resize sets the size of batches to what the upstream has been found to take.
func (c *coalescer) resize(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = size
	c.broadcast()
}

// backlog is how many jobs wait.
func (c *coalescer) backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting[queue.Plain]) + len(c.waiting[queue.Bulk])
}

// line is how many jobs wait, and how long the first of them has.
func (c *coalescer) line() (jobs int, waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	plain, bulk := c.waiting[queue.Plain], c.waiting[queue.Bulk]
	if jobs = len(plain) + len(bulk); jobs > 0 {
		waited = max(c.clock().Sub(oldest(plain, bulk)), 0)
	}
	return jobs, waited
}

// waitingFor adds what has waited at least so long: one job for each chunk, and each that was delivered by itself, which has an
// epoch of its own.
func (c *coalescer) waitingFor(long time.Duration, w *ledger.Waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	var chunk *passage
	for _, line := range c.waiting {
		for _, t := range line {
			switch {
			case now.Sub(t.since) < long:
			case t.job.Epoch > 0:
				w.Jobs = append(w.Jobs, t.job)
			case t.chunk != chunk:
				chunk, w.Chunks, w.ChunksOf = t.chunk, append(w.Chunks, t.job.ID), append(w.ChunksOf, t.job.Of)
			}
		}
	}
}

// isClosed says whether the worker is stopping.
func (c *coalescer) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// poke makes waiting takers look again: a call slot has become free.
func (c *coalescer) poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broadcast()
}

func (c *coalescer) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// close ends next for every taker and returns what still waited, to be given back.
func (c *coalescer) close() []ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	left := append(c.waiting[queue.Plain], c.waiting[queue.Bulk]...)
	c.waiting = nil
	c.broadcast()
	return left
}

// sleep waits for d (or without end, if d is negative), for a change, or for the end of ctx, when it returns false.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) bool {
	var timer <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer:
	}
	return true
}
