package worker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// handler takes the chunks of one kind from Asynq, puts their jobs in line, and returns when they have been
// dealt with. It returns nil for whatever became of them: Postgres decides when a job goes again.
type handler struct {
	kind      queue.Kind
	store     *store.Store
	pipelines map[string]*pipeline // by account
	handled   func()               // told after each chunk
	redeliver time.Duration        // how long a delivery may stay unclaimed
	away      turnedAway
	log       zerolog.Logger
}

var _ asynq.Handler = (*handler)(nil)

// ProcessTask implements asynq.Handler.
func (h *handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	defer h.handled()
	chunk, err := readTask(h.kind, t)
	if err == nil {
		err = h.process(ctx, chunk)
	}
	return h.away.note(ctx, h.log, t, err)
}

func (h *handler) process(ctx context.Context, chunk queue.Chunk) error {
	jobs, err := h.jobs(ctx, chunk)
	if err != nil || len(jobs) == 0 {
		return err
	}
	p := h.pipelines[chunk.Account]
	if p == nil {
		h.log.Error().Str("account", chunk.Account).Str("order", chunk.Order).Int("jobs", len(jobs)).
			Msg("this worker does not know the account of a chunk")
		// For a worker that does, and not at once: it may come here again.
		return h.giveBack(ctx, jobs, h.redeliver)
	}
	queueName, _ := asynq.GetQueueName(ctx)
	passage := p.batches.add(queue.LaneOf(queueName), jobs)
	if passage == nil {
		// This worker is shutting down: another one gets the jobs.
		return h.giveBack(ctx, jobs, 0)
	}
	select {
	case <-passage.done:
	case <-ctx.Done():
		// Asynq has given the task up. The jobs stay in line; who claims them first calls.
	}
	return nil
}

// unknownAccount says why nobody can carry out a chunk of an account, or "" where somebody can: this worker, or one that had
// the account announced, as an order for it would ask.
func (h *handler) unknownAccount(ctx context.Context, account string) (string, error) {
	if h.pipelines[account] != nil {
		return "", nil
	}
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	accounts, err := h.store.Accounts(asking)
	if err != nil || slices.Contains(accounts, account) {
		return "", err
	}
	return fmt.Sprintf("there is no account %q: it is not configured", account), nil
}

func (h *handler) giveBack(ctx context.Context, jobs []store.DeliveredJob, delay time.Duration) error {
	giving, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return h.store.Undeliver(giving, jobs, delay)
}

// jobs are the chunk's, under the epoch that they were delivered with. The rows of a producer's own chunk are
// written first.
func (h *handler) jobs(ctx context.Context, c queue.Chunk) ([]store.DeliveredJob, error) {
	jobs := make([]store.DeliveredJob, len(c.Jobs))
	if !c.Fresh() {
		for i, j := range c.Jobs {
			jobs[i] = store.DeliveredJob{ID: j.ID, Domain: j.Domain, Epoch: *j.Epoch}
		}
		return jobs, nil
	}
	return h.adopt(ctx, c)
}

// adopt writes the rows of a producer's own chunk, and returns those of its jobs that go on. An error is returned to Asynq,
// which delivers the task again, or keeps it in its archive where that cannot help.
func (h *handler) adopt(ctx context.Context, c queue.Chunk) ([]store.DeliveredJob, error) {
	refused, err := h.unknownAccount(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	rows := rowsOf(c, h.kind, refused)
	queueName, _ := asynq.GetQueueName(ctx)
	adopting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	_, err = h.store.AdoptJobs(adopting, store.NewOrder{
		Source: c.Source, Reference: c.Order, Kind: store.Kind(h.kind),
		Lane: store.Lane(queue.LaneOf(queueName)), Account: c.Account,
	}, rows, h.redeliver)
	if err != nil {
		return nil, fmt.Errorf("adopt chunk: %w", unadoptable(err))
	}
	jobs := make([]store.DeliveredJob, 0, len(rows))
	for _, n := range rows {
		if n.Rejected == "" {
			jobs = append(jobs, store.DeliveredJob{ID: n.ID, Domain: n.Domain})
		}
	}
	if rejected := len(rows) - len(jobs); rejected > 0 {
		h.log.Warn().Str("source", c.Source).Str("order", c.Order).Int("jobs", rejected).
			Msg("jobs that a producer enqueued by itself ended rejected: the order says why")
	}
	return jobs, nil
}

// serverOf is the Asynq server of one kind. Each kind has its own, so that slow registrations never hold up WHOIS.
func serverOf(kind queue.Kind, redis asynq.RedisConnOpt, o Options) *asynq.Server {
	t := o.tuning(kind)
	return asynq.NewServer(redis, asynq.Config{
		// Handlers wait for their jobs: there must be enough of them to fill the calls in flight and the
		// next ones from chunks of a single job.
		Concurrency: 2 * t.Concurrency * t.BatchSize * len(o.Accounts),
		Queues:      queue.Weights(kind),
		// The coalescer is drained first; by then handlers return at once.
		ShutdownTimeout: o.drainTime(),
		// How long a task that arrives in an idle worker may lie there.
		TaskCheckInterval: 50 * time.Millisecond,
		// Only an adoption that found Postgres away comes back this way.
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return tick },
		IsFailure:      func(error) bool { return false },
		Logger:         asynqLog{o.Log.With().Str("role", "asynq").Str("kind", string(kind)).Logger()},
		LogLevel:       asynq.WarnLevel,
	})
}

// asynqLog lets Asynq write to our log.
type asynqLog struct{ log zerolog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
