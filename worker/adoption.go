package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/tracing"
	"github.com/bulkreg/bulkreg/store"
)

// adopter takes producers' own chunks of one kind from the public queues and writes their rows, which are then delivered
// like any order's. It makes no calls and waits for none. Redis knows no turns: what lies before a task in its queue has to be
// adopted first, so that many are adopted at once. Few statements do it at a time: however many chunks producers hand over, what
// the calls need of Postgres is there.
type adopter struct {
	kind      queue.Kind
	store     *store.Store
	pipelines map[string]*pipeline // by account
	chunkSize int
	keys      queue.Keys // none: chunks need not be signed
	makes     rowMaker
	lines     adoptionLines
	again     func(ctx context.Context, queue string, t *asynq.Task) error
	down      *sharedOutage
	away      turnedAway
	log       zerolog.Logger
	tracer    trace.Tracer
}

var _ asynq.Handler = (*adopter)(nil)

// ProcessTask implements asynq.Handler.
func (a *adopter) ProcessTask(ctx context.Context, t *asynq.Task) error {
	inHand(ctx)
	chunk, err := readTask(a.kind, t)
	if err == nil {
		err = a.verify(chunk, t)
	}
	chunk.Account = a.kind.Account(chunk.Account)
	switch {
	case err != nil:
	case chunk.FromProducer():
		err = a.adopt(ctx, chunk, t.Headers())
	default:
		// Whose jobs it names would be called for out of turn, before those of all other sources. Postgres delivers them when it is theirs.
		err = &misfit{misfitQueue, fmt.Errorf("a delivery in a queue for producers' own chunks: leave id and epoch out, and name domains")}
	}
	if misfit := (*misfit)(nil); errors.As(err, &misfit) {
		return a.away.note(ctx, a.log, t, err)
	}
	a.down.note(ctx, err)
	if err != nil {
		return a.postpone(ctx, t, err)
	}
	return nil
}

// verify checks that a chunk is its source's, where producers have keys. What lies in a public queue was put there by one: dispatchers
// use the accounts' queues. Its error is a *misfit.
func (a *adopter) verify(c queue.Chunk, t *asynq.Task) error {
	if err := a.keys.Verify(t.Type(), c.Source, t.Payload(), t.Headers()); err != nil {
		return &misfit{misfitSignature, err}
	}
	return nil
}

// adopt writes the rows of a producer's own chunk, together with those of others. Its error is a *misfit where the rows will
// never be written; otherwise the same may work later.
func (a *adopter) adopt(ctx context.Context, c queue.Chunk, headers map[string]string) error {
	ctx, span := a.tracer.Start(tracing.With(ctx, headers[tracing.Header]), "adopt "+string(a.kind), trace.WithSpanKind(trace.SpanKindConsumer))
	defer span.End()
	name, _ := asynq.GetQueueName(ctx)
	n := &newcomer{
		chunk: c, order: orders.NewOrder{
			Source: c.Source, Reference: c.Order, Kind: record.Kind(a.kind),
			Lane: record.Lane(queue.LaneOf(name)), Account: c.Account, ChunkSize: a.chunkSize, Trace: tracing.Of(ctx),
		},
		rows: a.makes.rows(c, a.kind, ""), done: make(chan error, 1),
	}
	if err := a.lines.of(c).wait(ctx, n, a.write); err != nil {
		return fmt.Errorf("adopt chunk: %w", unadoptable(err))
	}
	a.logRejected(c, n.rows)
	return nil
}

// write writes the rows of many chunks. Each has its own error.
func (a *adopter) write(ctx context.Context, all []*newcomer) []error {
	// Whoever began it may have to stop: the others' chunks are in it as well.
	adopting, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
	defer cancel()
	if err := a.refuseUnknown(adopting, all); err != nil {
		return slices.Repeat([]error{err}, len(all))
	}
	adoptions := make([]orders.Adoption, len(all))
	for i, n := range all {
		adoptions[i] = orders.Adoption{Order: n.order, Jobs: n.rows}
	}
	return a.store.Orders.AdoptAll(adopting, adoptions)
}

// refuseUnknown lets the jobs of accounts end that nobody can carry out: neither this worker, nor one that had the account
// announced, as an order for it would ask.
func (a *adopter) refuseUnknown(ctx context.Context, all []*newcomer) error {
	var (
		known []string
		asked bool
	)
	for _, n := range all {
		if a.pipelines[n.chunk.Account] != nil {
			continue
		}
		if !asked && a.kind.Serves(n.chunk.Account) {
			var err error
			if known, err = a.store.Fleet.Accounts(ctx); err != nil {
				return err
			}
			asked = true
		}
		if !a.kind.Serves(n.chunk.Account) || !slices.Contains(known, n.chunk.Account) {
			n.rows = a.makes.rows(n.chunk, a.kind, fmt.Sprintf("there is no account %q: it is not configured", n.chunk.Account))
		}
	}
	return nil
}

func (a *adopter) logRejected(c queue.Chunk, rows []orders.NewJob) {
	rejected := 0
	for _, n := range rows {
		if n.Rejected != "" {
			rejected++
		}
	}
	if rejected > 0 {
		a.log.Warn().Str("source", c.Source).Str("order", c.Order).Int("jobs", rejected).
			Msg("jobs that a producer enqueued by itself ended rejected: the order says why")
	}
}

// postpone gives a task back to Asynq that cannot be dealt with now. Asynq archives a task that has no tries left before it asks
// whether the error counts, and how many tries there are was the producer's choice. Such a task is enqueued anew, with as
// many as a dispatcher's.
func (a *adopter) postpone(ctx context.Context, t *asynq.Task, cause error) error {
	pause(ctx, tick) // there is no more to adopt meanwhile
	tried, _ := asynq.GetRetryCount(ctx)
	tries, _ := asynq.GetMaxRetry(ctx)
	if tried < tries {
		return cause
	}
	name, _ := asynq.GetQueueName(ctx)
	enqueuing, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTime)
	defer cancel()
	if err := a.again(enqueuing, name, t); err != nil {
		return fmt.Errorf("%w; and enqueue it anew: %w", cause, err)
	}
	return nil
}

// sharedOutage is an outage that several goroutines see.
type sharedOutage struct {
	mu     sync.Mutex
	outage outage
}

func (o *sharedOutage) note(ctx context.Context, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outage.note(ctx, err)
}
