package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"
)

// Asynq has no way to enqueue many tasks at once, so that several goroutines do.
const enqueuers = 8

const (
	taskType   = "check"
	groupName  = "checks"
	asynqQueue = "default"
	// lookAgain is how long Asynq rests where it finds nothing to do, instead of a second.
	lookAgain = 10 * time.Millisecond
)

// asynqQueueing is a client, a server and an inspector of Asynq's.
type asynqQueueing struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	options   []asynq.Option // of each task
}

// runAsynq works off one task for each job.
func runAsynq(ctx context.Context, s *servers, jobs int) (time.Duration, error) {
	return withAsynq(ctx, s, jobs, min(jobs, warmUp), asynq.Config{}, nil)
}

// runGroups works off the tasks that Asynq makes of many.
func runGroups(ctx context.Context, s *servers, jobs int) (time.Duration, error) {
	return withAsynq(ctx, s, jobs, min(jobs, groupSize), asynq.Config{
		GroupAggregator: asynq.GroupAggregatorFunc(func(_ string, tasks []*asynq.Task) *asynq.Task {
			var domains strings.Builder
			for _, t := range tasks {
				domains.Write(t.Payload())
				domains.WriteByte('\n')
			}
			return asynq.NewTask(taskType, []byte(domains.String()))
		}),
		GroupMaxSize: groupSize, GroupGracePeriod: time.Second,
	}, []asynq.Option{asynq.Group(groupName)})
}

func withAsynq(ctx context.Context, s *servers, jobs, warm int, config asynq.Config, options []asynq.Option) (_ time.Duration, err error) {
	parsed, err := asynq.ParseRedisURI(s.redis.URL())
	if err != nil {
		return 0, fmt.Errorf("connect to Redis: %w", err)
	}
	address, ok := parsed.(asynq.RedisClientOpt)
	if !ok {
		return 0, fmt.Errorf("connect to Redis: Asynq makes %T of %s", parsed, s.redis.URL())
	}
	address.PoolSize = workers + enqueuers
	t := newTally(warm + jobs)
	q := &asynqQueueing{client: asynq.NewClient(address), inspector: asynq.NewInspector(address), options: options}
	defer func() { err = errors.Join(err, q.client.Close(), q.inspector.Close()) }()
	config.Concurrency, config.TaskCheckInterval, config.LogLevel = workers, lookAgain, asynq.ErrorLevel
	server := asynq.NewServer(address, config)
	err = server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		for line := range strings.Lines(string(task.Payload())) {
			if err := t.done(strings.TrimSuffix(line, "\n")); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		return 0, fmt.Errorf("start server: %w", err)
	}
	defer server.Shutdown()
	return timed(ctx, q, t, warm)
}

func (q *asynqQueueing) give(ctx context.Context, from, to int) error {
	giving, ctx := errgroup.WithContext(ctx)
	for first := range enqueuers {
		giving.Go(func() error {
			for number := from + first; number < to; number += enqueuers {
				task := asynq.NewTask(taskType, []byte(domain(number)))
				if _, err := q.client.EnqueueContext(ctx, task, q.options...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return giving.Wait()
}

// settled waits until Redis has no task left. None may have failed.
func (q *asynqQueueing) settled(ctx context.Context, _ int) error {
	var left int
	err := until(ctx, func() (bool, error) {
		info, err := q.inspector.GetQueueInfo(asynqQueue)
		if err != nil {
			return false, err
		}
		if left = info.Size; info.Failed > 0 {
			return false, fmt.Errorf("%d tasks failed", info.Failed)
		}
		return left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%d tasks are left: %w", left, err)
	}
	return nil
}
