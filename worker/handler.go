package worker

import (
	"context"
	"fmt"
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
	log       zerolog.Logger
}

var _ asynq.Handler = (*handler)(nil)

// ProcessTask implements asynq.Handler.
func (h *handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	defer h.handled()
	chunk, err := queue.DecodeChunk(t.Payload())
	if err != nil {
		// No redelivery can mend it, and the archive would only forget it silently.
		h.log.Error().Err(err).Int("bytes", len(t.Payload())).Msg("dropped a task that no worker can read")
		return nil
	}
	jobs, err := h.jobs(ctx, chunk)
	if err != nil {
		return err
	}
	p := h.pipelines[chunk.Account]
	if p == nil {
		return h.turnAway(ctx, chunk, jobs)
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
