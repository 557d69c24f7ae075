package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// adopt writes the rows of a producer's own chunk. An error is returned to Asynq, which delivers the task
// again, only where that can help.
func (h *handler) adopt(ctx context.Context, c queue.Chunk) ([]store.DeliveredJob, error) {
	queueName, _ := asynq.GetQueueName(ctx)
	added := make([]store.NewJob, 0, len(c.Jobs))
	jobs := make([]store.DeliveredJob, 0, len(c.Jobs))
	seen := make(map[string]bool, len(c.Jobs))
	for _, j := range c.Jobs {
		n, err := newJob(c, h.kind, j)
		if err == nil && seen[n.Domain] {
			continue
		}
		seen[n.Domain] = true
		if err != nil {
			h.log.Error().Err(err).Str("order", c.Order).Msg("dropped a job that a producer enqueued by itself")
			continue
		}
		added = append(added, n)
		jobs = append(jobs, store.DeliveredJob{ID: n.ID, Domain: n.Domain})
	}
	if len(added) == 0 {
		return nil, nil
	}
	adopting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	_, err := h.store.AdoptJobs(adopting, store.NewOrder{
		Source: c.Source, Reference: c.Order, Kind: store.Kind(h.kind),
		Lane: store.Lane(queue.LaneOf(queueName)), Account: c.Account,
	}, added)
	var conflict *store.ReferenceConflictError
	if errors.As(err, &conflict) {
		h.log.Error().Err(err).Msg("dropped a chunk that contradicts its order")
		return nil, nil
	}
	var refused *store.Error
	if errors.As(err, &refused) {
		h.log.Error().Err(err).Str("order", c.Order).Msg("dropped a chunk that the database refuses")
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("adopt chunk: %w", err)
	}
	return jobs, nil
}

// turnAway deals with a chunk of an account that this worker does not know. It goes back, for a worker that does, and not at
// once: it may come here again. Where no worker ever announced the account, a producer's own chunk is refused, as an order
// for it would have been.
func (h *handler) turnAway(ctx context.Context, c queue.Chunk, jobs []store.DeliveredJob) error {
	h.log.Error().Str("account", c.Account).Str("order", c.Order).Int("jobs", len(jobs)).Msg("this worker does not know the account of a chunk")
	if c.Fresh() {
		announced, err := h.announced(ctx, c.Account)
		if err != nil {
			return err
		}
		if !announced {
			return h.refuse(ctx, jobs, fmt.Sprintf("there is no account %q: it is not configured", c.Account))
		}
	}
	return h.giveBack(ctx, jobs, h.redeliver)
}

// announced says whether some worker has an account, or had it.
func (h *handler) announced(ctx context.Context, account string) (bool, error) {
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	accounts, err := h.store.Accounts(asking)
	return slices.Contains(accounts, account), err
}

func (h *handler) refuse(ctx context.Context, jobs []store.DeliveredJob, text string) error {
	refusing, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return h.store.Refuse(refusing, jobs, text)
}
