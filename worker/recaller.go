package worker

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
)

// recaller notices that Redis has lost deliveries, and has them made again at once rather than after their time has passed.
// It leaves a mark in Redis, with a name and a count of the looks at it. A mark that is missing, or whose count has gone
// back because Redis came up from an old snapshot, gets a new name; and a name that Postgres does not know is a Redis
// without our newest deliveries. Every worker runs one, and Postgres lets one of them recall. That Redis was emptied is
// noticed by workers that start later, too; an old snapshot only by those that have seen a newer one.
type recaller struct {
	store    *store.Store
	redis    redis.Cmdable
	looking  *redis.Script
	queues   []any  // names of the Asynq queues that this worker serves
	known    string // the mark that was dealt with
	looks    int64  // at the mark, when this worker looked last
	recalled func() // told when deliveries have become due
	down     outage
	log      zerolog.Logger
}

const (
	markKey = "bulkreg:life"
	// queuesKey is the set in which Asynq's Inspector looks for queues. Asynq's client writes a queue into it once in its
	// life, and so does not after Redis was emptied.
	queuesKey = "asynq:queues"
)

func newRecaller(o Options, client redis.Cmdable, recalled func()) *recaller {
	log := o.Log.With().Str("role", "recaller").Logger()
	r := &recaller{
		store: o.Store, redis: client, looking: redis.NewScript(lookAtMark), recalled: recalled,
		down: outage{log: log, what: "looking whether Redis was emptied", troubles: o.troubles}, log: log,
	}
	for _, name := range servedQueues(o) {
		r.queues = append(r.queues, name)
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
	found, err := r.store.Delivery.Recall(recalling, mark, longestRedelivery)
	if err != nil {
		return err
	}
	if found.Chunks+found.Jobs > 0 {
		r.log.Warn().Int("chunks", found.Chunks).Int("jobs", found.Jobs).
			Msg("Redis was emptied, came back with old data, or is a new one; delivering again what was not claimed")
		r.recalled()
	}
	naming, done := context.WithTimeout(ctx, redisTime)
	defer done()
	if err := r.redis.SAdd(naming, queuesKey, r.queues...).Err(); err != nil {
		return fmt.Errorf("write names of queues to Redis: %w", err)
	}
	r.known = mark
	return nil
}

// lookAtMark counts a look and returns the name and the count. It leaves a new name where there is none, or where the count
// of the name that the caller knows is not above the caller's last: several workers that see it agree on the first one's.
//
//	KEYS: the mark, a hash of name and looks. ARGV: a new name, the name that the caller knows, the count it saw last.
const lookAtMark = `
	local looks = redis.call('HINCRBY', KEYS[1], 'looks', 1)
	local name = redis.call('HGET', KEYS[1], 'name')
	if not name or name == ARGV[2] and looks <= tonumber(ARGV[3]) then
		name = ARGV[1]
		redis.call('HSET', KEYS[1], 'name', name)
	end
	return {name, looks}`

// mark looks at the mark, and leaves one where it is missing or too old.
func (r *recaller) mark(ctx context.Context) (string, error) {
	asking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	seen, err := r.looking.Run(asking, r.redis, []string{markKey}, rand.Text(), r.known, r.looks).Slice()
	if err != nil {
		return "", fmt.Errorf("look at mark in Redis: %w", err)
	}
	if len(seen) == 2 {
		name, named := seen[0].(string)
		looks, counted := seen[1].(int64)
		if named && counted {
			r.looks = looks
			return name, nil
		}
	}
	return "", fmt.Errorf("look at mark in Redis: it says %v", seen)
}
