package worker

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// sweeper takes what Asynq cannot read out of its hands, and says so. Whoever may write into a queue may put anything there, and one such
// task would keep those of lost workers from ever being given back. Every worker runs one.
type sweeper struct {
	inHand *queue.InHand
	queues []string
	swept  turnedAway
	clock  func() time.Time
	down   outage
	log    zerolog.Logger
}

const (
	sweepInterval = 5 * time.Second
	// sweepAfter is how long after its lease a task is looked at: sooner than Asynq gives those of lost workers back, after 30 s.
	sweepAfter  = 5 * time.Second
	sweptAtOnce = 200
)

func newSweeper(o Options, client redis.UniversalClient) *sweeper {
	log := o.Log.With().Str("role", "sweeper").Logger()
	s := &sweeper{
		inHand: queue.NewInHand(client), clock: o.Clock, log: log,
		down: outage{log: log, what: "looking for tasks that cannot be read", troubles: o.troubles},
	}
	for _, kind := range o.Kinds {
		for _, lane := range queue.Lanes() { // into the accounts' queues bulkreg alone writes
			s.queues = append(s.queues, queue.Queue(kind, lane))
		}
	}
	return s
}

// run looks until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, sweepInterval) {
		var all error
		for _, name := range s.queues {
			all = errors.Join(all, s.look(ctx, name))
		}
		s.down.note(ctx, all)
	}
}

func (s *sweeper) look(ctx context.Context, name string) (all error) {
	looking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	overdue, err := s.inHand.Overdue(looking, name, s.clock().Add(-sweepAfter), sweptAtOnce)
	if err != nil {
		return err
	}
	for _, id := range overdue {
		unreadable, err := s.inHand.Unreadable(name, id)
		if err == nil && unreadable {
			err = s.sweep(looking, name, id)
		}
		all = errors.Join(all, err)
	}
	return all
}

func (s *sweeper) sweep(ctx context.Context, name, id string) error {
	size, done, err := s.inHand.SetAside(ctx, name, id)
	if err != nil || !done {
		return err
	}
	s.swept.add(misfitPayload)
	s.log.Error().Str("reason", string(misfitPayload)).Str("task", id).Str("queue", name).Int("bytes", size).Str("kept_in", queue.AsideKey(name)).
		Msg("something in a queue is no task of Asynq's: it was not carried out, and is set aside")
	return nil
}
