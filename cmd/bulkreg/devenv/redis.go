package devenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
)

// Redis is one in memory.
type Redis struct {
	server *miniredis.Miniredis
	url    string
}

// StartRedis starts a Redis in memory on the loopback address. The caller stops it.
func StartRedis() (*Redis, error) {
	server := miniredis.NewMiniRedis()
	password := rand.Text() // other users of this machine reach the loopback address too
	server.RequireAuth(password)
	server.ClockTTL(true) // without it, nothing in it ever expires
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start redis in memory: %w", err)
	}
	address := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: server.Addr(), Path: "/0"}
	return &Redis{server: server, url: address.String()}, nil
}

// URL is where it is, with its password.
func (r *Redis) URL() string { return r.url }

// Stop ends it, and whatever is in it is gone.
func (r *Redis) Stop() { r.server.Close() }

// BusyError says that others use a Redis, whose tasks a worker here would take.
type BusyError struct {
	Worker  string // who works there; "" where tasks wait instead
	PID     int
	Queue   string // where tasks wait,
	Waiting int    // and how many
}

func (e *BusyError) Error() string {
	if e.Worker != "" {
		return fmt.Sprintf("a worker on %s (process %d) uses the Redis", e.Worker, e.PID)
	}
	return fmt.Sprintf("%d tasks of others wait in queue %s of the Redis", e.Waiting, e.Queue)
}

// RefuseBusy fails with a *BusyError where others use a Redis. With a new database, whatever waits there is theirs.
func RefuseBusy(ctx context.Context, client redis.UniversalClient, newDatabase bool) error {
	inspector := asynq.NewInspectorFromRedisClient(client)
	servers, err := inspector.Servers()
	if err != nil {
		return fmt.Errorf("list workers of Redis: %w", err)
	}
	if len(servers) > 0 {
		return &BusyError{Worker: servers[0].Host, PID: servers[0].PID}
	}
	if !newDatabase {
		return nil
	}
	known, err := inspector.Queues()
	if err != nil {
		return fmt.Errorf("list queues of Redis: %w", err)
	}
	gauge := queue.NewGauge(client)
	for _, name := range ours(known) {
		waiting, err := gauge.Depth(ctx, name)
		if err != nil {
			return err
		}
		if waiting > 0 {
			return &BusyError{Queue: name, Waiting: waiting}
		}
	}
	return nil
}

// ours are the queues that a worker takes tasks from: those of every kind and lane, and of the accounts that are known there.
func ours(known []string) []string {
	var names []string
	for _, kind := range queue.Kinds() {
		for _, lane := range queue.Lanes() {
			public := queue.Queue(kind, lane)
			names = append(names, public)
			for _, name := range known {
				if strings.HasPrefix(name, public+"/") {
					names = append(names, name)
				}
			}
		}
	}
	return names
}
