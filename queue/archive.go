package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Archive looks into Asynq's archives, and takes tasks out of them.
type Archive struct {
	redis     redis.UniversalClient
	inspector *asynq.Inspector
}

// NewArchive looks through the given client, which stays the caller's.
func NewArchive(client redis.UniversalClient) *Archive {
	return &Archive{redis: client, inspector: asynq.NewInspectorFromRedisClient(client)}
}

// Archived is a task in an archive.
type Archived struct {
	ID   string
	Died time.Time // when it was archived, to the second, by the clock of whoever did it
}

// Since are the tasks of a queue that were archived at a time or later, the oldest first, at most limit.
func (a *Archive) Since(ctx context.Context, queue string, at time.Time, limit int) ([]Archived, error) {
	found, err := a.redis.ZRangeByScoreWithScores(ctx, "asynq:{"+queue+"}:archived", &redis.ZRangeBy{
		Min: strconv.FormatInt(at.Unix(), 10), Max: "+inf", Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read archive of queue %s: %w", queue, err)
	}
	tasks := make([]Archived, 0, len(found))
	for _, z := range found {
		if id, ok := z.Member.(string); ok {
			tasks = append(tasks, Archived{ID: id, Died: time.Unix(int64(z.Score), 0)})
		}
	}
	return tasks, nil
}

// ErrUnreadable says that something else than Asynq has written a task.
var ErrUnreadable = errors.New("it is no message of Asynq's")

// undecodable is how Asynq says so: its errors have no types.
const undecodable = "could not decode task message"

// LostWorker reports whether a task was archived because the worker that had it in hand was lost, and it had no tries left. A
// task that is gone was not. Its error is ErrUnreadable where no look at the task will ever tell.
func (a *Archive) LostWorker(queue, id string) (bool, error) {
	info, err := a.inspector.GetTaskInfo(queue, id)
	switch {
	case isGone(err):
		return false, nil
	case err != nil && strings.Contains(err.Error(), undecodable):
		return false, fmt.Errorf("read task %s of queue %s: %w", id, queue, ErrUnreadable)
	case err != nil:
		return false, fmt.Errorf("read task %s of queue %s: %w", id, queue, err)
	}
	return info.State == asynq.TaskStateArchived && info.LastErr == asynq.ErrLeaseExpired.Error(), nil
}

// Again puts a task back into its queue. It reports whether it was there still: somebody else may have been quicker.
func (a *Archive) Again(queue, id string) (bool, error) {
	err := a.inspector.RunTask(queue, id)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("put task %s back into queue %s: %w", id, queue, err)
	}
	return true, nil
}

func isGone(err error) bool {
	return errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)
}
