package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// A producer may give its task no tries. If the worker that has such a task in hand is lost, Asynq archives the task without showing it
// to anybody: its jobs would never become rows, and nobody would hear of it.

// finder looks at what comes into the archives of the public queues, and puts the tasks back into their queues that only lost their worker: a chunk
// that was adopted already is the same jobs. A task that loses worker after worker may be why, and stays. Every worker runs one.
type finder struct {
	archive archive
	redis   redis.Cmdable
	queues  []*archiveCursor
	lost    turnedAway
	down    outage
	log     zerolog.Logger
}

// archive is a *queue.Archive.
type archive interface {
	Since(ctx context.Context, queue string, at time.Time, limit int) ([]queue.Archived, error)
	LostWorker(queue, id string) (bool, error)
	Again(queue, id string) (bool, error)
}

var _ archive = (*queue.Archive)(nil)

const (
	// findInterval is from one look at the archives to the next, and findAtOnce how many tasks of a queue are looked at.
	findInterval = 2 * time.Second
	findAtOnce   = 200
	// clockSkew is how much the clocks of those who archive tasks may differ.
	clockSkew = time.Minute
	// mostLost is how often a task may lose its worker, over all workers, within lostTime.
	mostLost = 5
	lostTime = 24 * time.Hour
)

// errLost says why a task stays in the archive. Asynq has its own words there.
var errLost = errors.New("it lost one worker after another, and may be why: see what it holds, then run it from the archive by hand")

// archiveCursor is how far the archive of a queue has been looked at.
type archiveCursor struct {
	queue string
	upTo  time.Time            // the newest that was seen
	seen  map[string]time.Time // those of the last clockSkew before it
}

func newFinder(o Options, client redis.UniversalClient) *finder {
	log := o.Log.With().Str("role", "finder").Logger()
	f := &finder{
		archive: queue.NewArchive(client), redis: client, log: log,
		down: outage{log: log, what: "looking for tasks that lost their worker", troubles: o.troubles},
	}
	for _, kind := range o.Kinds {
		for _, lane := range queue.Lanes() { // what is in the accounts' queues has tries enough, and is delivered again anyway
			f.queues = append(f.queues, &archiveCursor{queue: queue.Queue(kind, lane), seen: map[string]time.Time{}})
		}
	}
	return f
}

// run looks until ctx ends. What was archived before it began is looked at as well.
func (f *finder) run(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, findInterval) {
		var all error
		for _, c := range f.queues {
			all = errors.Join(all, f.look(ctx, c))
		}
		f.down.note(ctx, all)
	}
}

// look looks at those of one archive that it has not seen.
func (f *finder) look(ctx context.Context, c *archiveCursor) (all error) {
	asking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	found, err := f.archive.Since(asking, c.queue, c.upTo.Add(-clockSkew), findAtOnce+len(c.seen))
	if err != nil {
		return err
	}
	for _, task := range found {
		if died, known := c.seen[task.ID]; known && died.Equal(task.Died) { // otherwise it was put back, and is here anew
			continue
		}
		if err := f.judge(ctx, c.queue, task.ID); err != nil { // those behind it are looked at all the same, and this one again
			all = errors.Join(all, err)
			continue
		}
		c.saw(task)
	}
	c.forget()
	return all
}

func (c *archiveCursor) saw(task queue.Archived) {
	c.seen[task.ID] = task.Died
	if task.Died.After(c.upTo) {
		c.upTo = task.Died
	}
}

// forget forgets what is not asked for any more.
func (c *archiveCursor) forget() {
	from := c.upTo.Add(-clockSkew)
	for id, died := range c.seen {
		if died.Before(from) {
			delete(c.seen, id)
		}
	}
}

// judge puts a task back that lost its worker.
func (f *finder) judge(ctx context.Context, name, id string) error {
	lost, err := f.archive.LostWorker(name, id)
	if errors.Is(err, queue.ErrUnreadable) {
		f.lost.add(misfitPayload)
		f.log.Error().Err(err).Str("reason", string(misfitPayload)).Str("task", id).Str("queue", name).
			Msg("a task in Asynq's archive cannot be read: it stays there")
		return nil
	}
	if err != nil || !lost {
		return err
	}
	times, err := f.count(ctx, name, id)
	if err != nil {
		return err
	}
	if times > mostLost {
		f.lost.add(misfitLost)
		f.log.Error().Err(errLost).Str("reason", string(misfitLost)).Str("task", id).Str("queue", name).
			Msg("a task lost its worker again: it was not carried out, and stays in Asynq's archive")
		return nil
	}
	again, err := f.archive.Again(name, id)
	if err != nil || !again {
		return err
	}
	f.lost.add(misfitLost)
	f.log.Warn().Str("reason", string(misfitLost)).Str("task", id).Str("queue", name).Int64("times", times).
		Msg("a task without tries lost its worker, and Asynq archived it: it is back in its queue")
	return nil
}

// count counts how often a task has lost its worker, for all workers: the next one may be lost as well.
func (f *finder) count(ctx context.Context, name, id string) (int64, error) {
	counting, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	key := "bulkreg:lost:" + name + ":" + id
	times, err := f.redis.Incr(counting, key).Result()
	if err == nil {
		err = f.redis.Expire(counting, key, lostTime).Err()
	}
	if err != nil {
		return 0, fmt.Errorf("count how often a task lost its worker: %w", err)
	}
	return times, nil
}
