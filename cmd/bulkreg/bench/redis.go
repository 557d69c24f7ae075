package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
)

// How Redis is watched. A look takes it some hundredths of a millisecond.
const (
	redisLookEvery = 20 * time.Millisecond
	redisIdleLooks = 10
)

// redisWatch watches how much memory Redis uses, until it is stopped.
type redisWatch struct {
	idle   int64 // bytes used when the watch began
	stop   context.CancelFunc
	ended  chan struct{}
	peak   int64 // may be read once ended is closed, like err
	err    error
	client redis.UniversalClient
}

// watchRedis takes what an idle Redis uses for its measure, and then watches. The caller ends it.
func watchRedis(ctx context.Context, url string) (*redisWatch, error) {
	address, err := queue.ParseRedisURL(url)
	if err != nil {
		return nil, fmt.Errorf("watch Redis: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &redisWatch{stop: cancel, ended: make(chan struct{}), client: address.Client()}
	if w.idle, err = w.lowest(ctx); err != nil {
		cancel()
		return nil, errors.Join(err, w.client.Close())
	}
	w.peak = w.idle
	go w.run(ctx)
	return w, nil
}

// lowest is the lowest of some looks: the last tasks before may only just be done.
func (w *redisWatch) lowest(ctx context.Context) (int64, error) {
	lowest, err := w.used(ctx)
	for range redisIdleLooks {
		if err != nil || !pauseFor(ctx, redisLookEvery) {
			break
		}
		var used int64
		used, err = w.used(ctx)
		lowest = min(lowest, used)
	}
	return lowest, err
}

func (w *redisWatch) run(ctx context.Context) {
	defer close(w.ended)
	for pauseFor(ctx, redisLookEvery) {
		used, err := w.used(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.err = err
			}
			return
		}
		w.peak = max(w.peak, used)
	}
}

// end ends the watch and returns how many bytes were used at most, above those of an idle Redis.
func (w *redisWatch) end() (int64, error) {
	w.stop()
	<-w.ended
	return w.peak - w.idle, errors.Join(w.err, w.client.Close())
}

func (w *redisWatch) used(ctx context.Context) (int64, error) {
	info, err := w.client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	used, err := strconv.ParseInt(infoField(info, "used_memory"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read memory of Redis: %w", err)
	}
	return used, nil
}

// infoField is one value of Redis's INFO, whose lines have the form name:value; "" where there is none.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if found, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && found == name {
			return value
		}
	}
	return ""
}

// pauseFor waits, and says whether ctx still goes on.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
