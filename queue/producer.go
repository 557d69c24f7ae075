package queue

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/tracing"
)

// Producer hands chunks to Asynq.
type Producer struct {
	client *asynq.Client
	key    *Key // nil: chunks are not signed
}

// ProducerOption is how a producer is not as others.
type ProducerOption func(*Producer)

// SignedWith makes a producer sign its own chunks, for workers that have the key in PRODUCER_KEYS.
func SignedWith(key Key) ProducerOption { return func(p *Producer) { p.key = &key } }

// NewProducer connects to the Redis at url, whose forms ParseRedisURL knows.
func NewProducer(url string, options ...ProducerOption) (*Producer, error) {
	address, err := ParseRedisURL(url)
	if err != nil {
		return nil, err
	}
	return newProducer(asynq.NewClient(address), options), nil
}

// ProducerOn is a producer on a client that stays the caller's: it must not be closed.
func ProducerOn(client redis.UniversalClient, options ...ProducerOption) *Producer {
	return newProducer(asynq.NewClientFromRedisClient(client), options)
}

func newProducer(client *asynq.Client, options []ProducerOption) *Producer {
	p := &Producer{client: client}
	for _, option := range options {
		option(p)
	}
	return p
}

// Enqueue hands over one chunk. After an error the chunk may or may not have arrived; to hand it over again is
// safe, because the jobs' ids and epochs tell a repeat. Where ctx has a span of OpenTelemetry, the chunk goes on in its trace.
func (p *Producer) Enqueue(ctx context.Context, kind Kind, lane Lane, chunk Chunk) error {
	return p.enqueue(ctx, kind, Queue(kind, lane), chunk)
}

// Deliver is Enqueue for a dispatcher's chunk: it takes the queue of its account.
func (p *Producer) Deliver(ctx context.Context, kind Kind, lane Lane, chunk Chunk) error {
	return p.enqueue(ctx, kind, AccountQueue(kind, lane, chunk.Account), chunk)
}

func (p *Producer) enqueue(ctx context.Context, kind Kind, queue string, chunk Chunk) error {
	payload, err := chunk.Encode()
	if err == nil {
		err = chunk.CheckKind(kind)
	}
	if err != nil {
		return err
	}
	headers := map[string]string{}
	if p.key != nil {
		headers[SignatureHeader] = p.key.Sign(kind.TaskType(), chunk.Source, payload)
	}
	if from := tracing.Of(ctx); from != "" {
		headers[tracing.Header] = from
	}
	_, err = p.client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(kind.TaskType(), payload, headers), taskOptions(queue)...)
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
