package worker

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"

	"github.com/bulkreg/bulkreg/queue"
)

// newcomer is a producer's own chunk that waits to be adopted.
type newcomer struct {
	chunk queue.Chunk
	order orders.NewOrder
	rows  []orders.NewJob
	done  chan error // gets its end
}

// jobsAtOnce is how many jobs a statement adopts, and how few a chunk must have to be adopted with others.
const jobsAtOnce = 2000

// gather is how long a statement waits for more to adopt: a chunk by itself costs as much as twenty.
const gather = 10 * time.Millisecond

// adoptionLines are where newcomers wait. Those of one order always wait in the same line: they would wait for each other in
// Postgres otherwise, with connections in their hands.
type adoptionLines []*adoptionLine

func newAdoptionLines() adoptionLines {
	lines := make(adoptionLines, adopters)
	for i := range lines {
		lines[i] = &adoptionLine{turn: make(chan struct{}, 1)}
		lines[i].turn <- struct{}{}
	}
	return lines
}

func (l adoptionLines) of(c queue.Chunk) *adoptionLine {
	h := fnv.New32a()
	for _, part := range []string{c.Source, "\x00", c.Order} {
		_, _ = h.Write([]byte(part))
	}
	return l[h.Sum32()%uint32(len(l))]
}

// adoptionLine is one of them. One of those who wait writes what all of them have brought by then, and meanwhile others come: the
// more of them there are, the more are written at once.
type adoptionLine struct {
	turn chan struct{} // in it while nobody writes

	mu      sync.Mutex
	waiting []*newcomer
}

// wait returns when somebody has written a newcomer's rows. It may be itself.
func (l *adoptionLine) wait(ctx context.Context, n *newcomer, write func(context.Context, []*newcomer) []error) error {
	l.mu.Lock()
	l.waiting = append(l.waiting, n)
	l.mu.Unlock()
	for {
		select {
		case err := <-n.done:
			return err
		case <-ctx.Done():
			return ctx.Err() // its rows are written all the same; another time, they are there already
		case <-l.turn:
			l.write(ctx, write)
		}
	}
}

func (l *adoptionLine) write(ctx context.Context, write func(context.Context, []*newcomer) []error) {
	defer func() { l.turn <- struct{}{} }()
	pause(ctx, gather)
	all := l.take()
	if len(all) == 0 {
		return
	}
	for i, err := range write(ctx, all) {
		all[i].done <- err
	}
}

// take takes those who came first, as many as a statement adopts.
func (l *adoptionLine) take() []*newcomer {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, jobs := 0, 0
	for n < len(l.waiting) && (n == 0 || jobs+len(l.waiting[n].rows) <= jobsAtOnce) {
		jobs += len(l.waiting[n].rows)
		n++
	}
	taken := l.waiting[:n:n]
	l.waiting = append([]*newcomer(nil), l.waiting[n:]...)
	return taken
}
