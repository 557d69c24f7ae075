package queue

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Producer hands chunks to Asynq.
type Producer struct {
	client *asynq.Client
}

// NewProducer connects to the Redis at url, whose forms ParseRedisURL knows.
func NewProducer(url string) (*Producer, error) {
	address, err := ParseRedisURL(url)
	if err != nil {
		return nil, err
	}
	return &Producer{client: asynq.NewClient(address)}, nil
}

// ProducerOn is a producer on a client that stays the caller's: it must not be closed.
func ProducerOn(client redis.UniversalClient) *Producer {
	return &Producer{client: asynq.NewClientFromRedisClient(client)}
}

// Enqueue hands over one chunk. After an error the chunk may or may not have arrived; to hand it over again is
// safe, because the jobs' ids and epochs tell a repeat.
func (p *Producer) Enqueue(ctx context.Context, kind Kind, lane Lane, chunk Chunk) error {
	return p.enqueue(ctx, kind, Queue(kind, lane), chunk)
}

// Deliver is Enqueue for a dispatcher's chunk: it takes the queue of its account.
func (p *Producer) Deliver(ctx context.Context, kind Kind, lane Lane, chunk Chunk) error {
	return p.enqueue(ctx, kind, AccountQueue(kind, lane, chunk.Account), chunk)
}

func (p *Producer) enqueue(ctx context.Context, kind Kind, queue string, chunk Chunk) error {
	payload, err := chunk.Encode()
	if err != nil {
		return err
	}
	_, err = p.client.EnqueueContext(ctx, asynq.NewTask(kind.TaskType(), payload), taskOptions(queue)...)
	switch {
	case err == nil:
		return nil
	case redis.IsAuthError(err), redis.IsPermissionError(err):
		return fmt.Errorf("enqueue %s chunk: Redis does not let the user in REDIS_URL do this: %w", kind, err)
	}
	return fmt.Errorf("enqueue %s chunk: %w", kind, err)
}

// Again enqueues a task anew, with as many tries as any task of ours has: the producer may have given it none.
func (p *Producer) Again(ctx context.Context, queue string, t *asynq.Task) error {
	if _, err := p.client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(t.Type(), t.Payload(), t.Headers()), taskOptions(queue)...); err != nil {
		return fmt.Errorf("enqueue task anew: %w", err)
	}
	return nil
}

// Close closes the connection.
func (p *Producer) Close() error {
	if err := p.client.Close(); err != nil {
		return fmt.Errorf("close producer: %w", err)
	}
	return nil
}

// taskOptions are the same for every task. The handler settles in Postgres and returns nil, so that Asynq's own
// retry only serves tasks that a crash or an outage handed back: those must never run out of tries and
// land in the archive, from where nothing brings them back.
func taskOptions(queue string) []asynq.Option {
	return []asynq.Option{
		asynq.Queue(queue),
		asynq.MaxRetry(math.MaxInt32),
		asynq.Timeout(taskTimeout),
	}
}

// taskTimeout ends a handler's context, which by then waits for nothing any more: the jobs' next step is
// Postgres' business.
const taskTimeout = 30 * time.Minute
