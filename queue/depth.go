package queue

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Gauge reads how much lies in Redis.
type Gauge struct {
	redis redis.UniversalClient
}

// NewGauge reads through the given client, which stays the caller's.
func NewGauge(client redis.UniversalClient) *Gauge { return &Gauge{redis: client} }

// Depth is how many tasks of a queue wait or are being worked on.
//
// It reads Asynq's own lists, not its Inspector: the Inspector answers "queue not found" for a queue
// that a FLUSHALL made it forget.
func (g *Gauge) Depth(ctx context.Context, queue string) (int, error) {
	pipe := g.redis.Pipeline()
	pending := pipe.LLen(ctx, "asynq:{"+queue+"}:pending")
	active := pipe.LLen(ctx, "asynq:{"+queue+"}:active")
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("read depth of queue %s: %w", queue, err)
	}
	return int(pending.Val() + active.Val()), nil
}

// Paused returns those of the queues that somebody has paused. All are asked for at once.
func (g *Gauge) Paused(ctx context.Context, queues []string) ([]string, error) {
	pipe := g.redis.Pipeline()
	asked := make([]*redis.IntCmd, len(queues))
	for i, q := range queues {
		asked[i] = pipe.Exists(ctx, "asynq:{"+q+"}:paused")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read which queues are paused: %w", err)
	}
	var paused []string
	for i, q := range queues {
		if asked[i].Val() > 0 {
			paused = append(paused, q)
		}
	}
	return paused, nil
}
