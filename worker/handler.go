package worker

import (
	"context"
	"fmt"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// handler takes the deliveries of one kind and account from Asynq, puts their jobs in line, and returns when they have been
// dealt with. It returns nil for whatever became of them: Postgres decides when a job goes again.
type handler struct {
	kind     queue.Kind
	pipeline *pipeline
	handled  func() // told after each chunk
	away     turnedAway
	log      zerolog.Logger
}

var _ asynq.Handler = (*handler)(nil)

// ProcessTask implements asynq.Handler.
func (h *handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	defer h.handled()
	chunk, err := h.read(t)
	if err == nil {
		err = h.pipeline.carry(ctx, chunk, t.Headers())
	}
	return h.away.note(ctx, h.log, t, err)
}

// read reads a delivery of this account. What no dispatcher made came here by mistake: its error is a *misfit.
func (h *handler) read(t *asynq.Task) (queue.Chunk, error) {
	c, err := readTask(h.kind, t)
	switch {
	case err != nil:
		return c, err
	case c.FromProducer():
		return c, &misfit{misfitQueue, fmt.Errorf("a producer's own chunk in a queue for deliveries: it belongs into %s", queue.Queue(h.kind, queue.Plain))}
	case c.Account != h.pipeline.account:
		return c, &misfit{misfitQueue, fmt.Errorf("a chunk of account %q in a queue of account %q", c.Account, h.pipeline.account)}
	}
	return c, nil
}

// carry puts the jobs of a delivery in line, and returns when they have been dealt with.
func (p *pipeline) carry(ctx context.Context, c queue.Chunk, headers map[string]string) error {
	ctx, span := p.traceDelivery(ctx, headers, len(c.Jobs))
	defer span.End()
	name, _ := asynq.GetQueueName(ctx)
	jobs := deliveredJobs(queue.Kind(p.kind), c)
	passage := p.batches.add(queue.LaneOf(name), jobs, span.SpanContext())
	if passage == nil {
		// This worker is shutting down: another one gets the jobs.
		giving, cancel := context.WithTimeout(ctx, databaseTime)
		defer cancel()
		return p.options.Store.Delivery.Undeliver(giving, jobs, 0)
	}
	select {
	case <-passage.done:
	case <-ctx.Done():
		// Asynq has given the task up. The jobs stay in line; who claims them first calls.
	}
	return nil
}

// deliveredJobs are a delivery's, under the epochs that they were delivered with, and bound to the order that it names: whoever
// may write to Redis may have written any ids into it.
func deliveredJobs(kind queue.Kind, c queue.Chunk) []record.DeliveredJob {
	of := record.Origin{Source: c.Source, Reference: c.Order, Kind: record.Kind(kind), Account: c.Account}
	jobs := make([]record.DeliveredJob, len(c.Jobs))
	for i, j := range c.Jobs {
		jobs[i] = record.DeliveredJob{ID: j.ID, Domain: j.Domain, Epoch: *j.Epoch, Of: of}
	}
	return jobs
}
