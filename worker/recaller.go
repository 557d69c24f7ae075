package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// recaller notices that Redis was emptied, and has what was delivered into it delivered again at once rather than after
// when its time has passed. It leaves a mark in Redis that goes with everything else there; a missing one gets a new name, and a name
// that Postgres does not know is a Redis without our deliveries. Every worker runs one, and Postgres lets one of them
// recall. It notices a Redis that was emptied while no worker ran, too.
//
// A Redis that comes back with old data has its old mark: what is missing there is found by its wake_at, as ever.
type recaller struct {
	store    *store.Store
	redis    redis.Cmdable
	queues   []any  // names of the Asynq queues that this worker serves
	known    string // the mark that was dealt with
	recalled func() // told when deliveries have become due
	down     outage
	log      zerolog.Logger
}

const (
	markKey = "bulkreg:mark"
	// queuesKey is the set in which Asynq's Inspector looks for queues. Asynq's client writes a queue into it once in its
	// life, and so does not after Redis was emptied.
	queuesKey = "asynq:queues"
)

func newRecaller(o Options, client redis.Cmdable, recalled func()) *recaller {
	log := o.Log.With().Str("role", "recaller").Logger()
	r := &recaller{
		store: o.Store, redis: client, recalled: recalled,
		down: outage{log: log, what: "looking whether Redis was emptied"}, log: log,
	}
	for _, kind := range o.Kinds {
		for _, lane := range queue.Lanes() {
			r.queues = append(r.queues, queue.Queue(kind, lane))
		}
	}
	return r
}

// begin looks once, before anything is delivered that would only be recalled.
func (r *recaller) begin(ctx context.Context) { r.down.note(ctx, r.look(ctx)) }

// run looks until ctx ends.
func (r *recaller) run(ctx context.Context) {
	for pause(ctx, tick); ctx.Err() == nil; pause(ctx, tick) {
		r.down.note(ctx, r.look(ctx))
	}
}

func (r *recaller) look(ctx context.Context) error {
	mark, err := r.mark(ctx)
	if err != nil || mark == r.known {
		return err
	}
	recalling, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	found, err := r.store.Recall(recalling, mark, longestRedelivery)
	if err != nil {
		return err
	}
	if found.Chunks+found.Jobs > 0 {
		r.log.Warn().Int("chunks", found.Chunks).Int("jobs", found.Jobs).
			Msg("Redis was emptied, or is a new one; delivering again what was not claimed")
		r.recalled()
	}
	if err := r.redis.SAdd(ctx, queuesKey, r.queues...).Err(); err != nil {
		return fmt.Errorf("write names of queues to Redis: %w", err)
	}
	r.known = mark
	return nil
}

// mark reads the mark, and leaves one where there is none.
func (r *recaller) mark(ctx context.Context) (string, error) {
	mark, err := r.redis.Get(ctx, markKey).Result()
	if errors.Is(err, redis.Nil) {
		// Several workers may see that none is there. The first one's stays.
		if err := r.redis.SetNX(ctx, markKey, rand.Text(), 0).Err(); err != nil {
			return "", fmt.Errorf("leave mark in Redis: %w", err)
		}
		mark, err = r.redis.Get(ctx, markKey).Result()
	}
	if err != nil {
		return "", fmt.Errorf("read mark in Redis: %w", err)
	}
	return mark, nil
}
