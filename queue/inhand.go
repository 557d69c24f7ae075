package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// InHand looks at the tasks that workers have in hand, for what Asynq has taken out of a queue and cannot read. It leaves such a task in
// hand for ever, and where it finds one it gives no other task back either whose worker was lost.
type InHand struct {
	redis     redis.UniversalClient
	inspector *asynq.Inspector
}

// NewInHand looks through the given client, which stays the caller's.
func NewInHand(client redis.UniversalClient) *InHand {
	return &InHand{redis: client, inspector: asynq.NewInspectorFromRedisClient(client)}
}

// Overdue are tasks of a queue whose worker should have said before a time that it still has them, and the oldest of those that are in
// nobody's hand although they were taken: at most limit of each.
func (h *InHand) Overdue(ctx context.Context, queue string, before time.Time, limit int) ([]string, error) {
	overdue, err := h.redis.ZRangeByScore(ctx, leaseKey(queue), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(before.Unix(), 10), Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read leases of queue %s: %w", queue, err)
	}
	taken, err := h.redis.LRange(ctx, activeKey(queue), -int64(limit), -1).Result()
	if err != nil || len(taken) == 0 {
		return overdue, wrap(err, "read tasks in hand of queue %s", queue)
	}
	leases, err := h.redis.ZMScore(ctx, leaseKey(queue), taken...).Result()
	if err != nil {
		return nil, fmt.Errorf("read leases of queue %s: %w", queue, err)
	}
	for i, lease := range leases {
		if lease == 0 { // a time is never that early
			overdue = append(overdue, taken[i])
		}
	}
	return overdue, nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// Unreadable reports whether Asynq can do nothing with a task: it is no message of Asynq's, or says that it is another task.
func (h *InHand) Unreadable(queue, id string) (bool, error) {
	info, err := h.inspector.GetTaskInfo(queue, id)
	switch {
	case isGone(err):
		return true, nil // an id without a task
	case err != nil && (strings.Contains(err.Error(), undecodable) || strings.Contains(err.Error(), wrongType)):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read task %s of queue %s: %w", id, queue, err)
	}
	return info.ID != id || info.Queue != queue, nil
}

// wrongType is how Redis says that something else than a task stands there.
const wrongType = "WRONGTYPE"

// setAside takes a task out of Asynq's hands, and keeps the newest 100 for whoever wants to know what they were.
// KEYS: tasks in hand, leases, the task, what is set aside, and its order. ARGV: the task's id, how many bytes of it are kept, for how
// many seconds. It returns how many bytes the task had, or -1 where nobody had it in hand any more.
var setAside = redis.NewScript(`
local removed = redis.call("LREM", KEYS[1], 0, ARGV[1]) + redis.call("ZREM", KEYS[2], ARGV[1])
if removed == 0 then return -1 end
local msg = ""
if redis.call("TYPE", KEYS[3]).ok == "hash" then msg = redis.call("HGET", KEYS[3], "msg") or "" end
redis.call("DEL", KEYS[3])
redis.call("HSET", KEYS[4], ARGV[1], string.sub(msg, 1, tonumber(ARGV[2])))
redis.call("LREM", KEYS[5], 0, ARGV[1])
redis.call("LPUSH", KEYS[5], ARGV[1])
while redis.call("LLEN", KEYS[5]) > 100 do redis.call("HDEL", KEYS[4], redis.call("RPOP", KEYS[5])) end
redis.call("EXPIRE", KEYS[4], ARGV[3])
redis.call("EXPIRE", KEYS[5], ARGV[3])
return #msg`)

const (
	asideBytes = 4096
	asideTime  = 90 * 24 * time.Hour
)

// SetAside takes a task that is unreadable out of Asynq's hands. The hash AsideKey has the newest 100 of each queue. It returns how large
// the task was, in bytes, and false where somebody else was quicker.
func (h *InHand) SetAside(ctx context.Context, queue, id string) (size int, done bool, err error) {
	size, err = setAside.Run(ctx, h.redis, []string{activeKey(queue), leaseKey(queue), taskKey(queue, id), AsideKey(queue), AsideKey(queue) + ":order"},
		id, asideBytes, int(asideTime.Seconds())).Int()
	if err != nil {
		return 0, false, fmt.Errorf("set task %s of queue %s aside: %w", id, queue, err)
	}
	return size, size >= 0, nil
}

// AsideKey is the hash of a queue's tasks that were set aside, by id: how each began.
func AsideKey(queue string) string { return "bulkreg:{" + queue + "}:unreadable" }

func activeKey(queue string) string   { return "asynq:{" + queue + "}:active" }
func leaseKey(queue string) string    { return "asynq:{" + queue + "}:lease" }
func taskKey(queue, id string) string { return "asynq:{" + queue + "}:t:" + id }
